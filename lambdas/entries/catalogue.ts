import { S3Client } from '@aws-sdk/client-s3';
import { createS3Store } from '#aws/s3-store.ts';
import { catalogue, rebuild } from '../catalogue.ts';
import { clock, observer, onLambda } from '../cloud.ts';
import { catalogueEnvironment, readEnvironment } from '../environment.ts';
import { traced } from '../tracing.ts';

const { RESULTS_BUCKET } = readEnvironment(catalogueEnvironment);
const results = createS3Store({ client: traced(new S3Client()), bucket: RESULTS_BUCKET });

const tools = { results, clock, observer };
const isRebuild = (event: unknown): boolean => Object(event).rebuild === true;

export const handler = onLambda(async (event) => (isRebuild(event) ? rebuild(tools) : catalogue(event, tools)));
