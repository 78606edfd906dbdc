import { S3Client } from '@aws-sdk/client-s3';
import { createS3Store } from '#aws/s3-store.ts';
import { loadModels } from '#vision/model.ts';
import { processingWith } from '#vision/processing-with.ts';
import { clock, observer, onLambda } from '../cloud.ts';
import { deadLetter } from '../dead-letter.ts';
import { deadLetterEnvironment, readEnvironment } from '../environment.ts';
import { inSendersTrace, traced } from '../tracing.ts';

const environment = readEnvironment(deadLetterEnvironment);
const models = await loadModels(environment.MODELS_FOLDER);
const s3 = traced(new S3Client());

const tools = {
  photos: createS3Store({ client: s3, bucket: environment.PHOTOS_BUCKET }),
  results: createS3Store({ client: s3, bucket: environment.RESULTS_BUCKET }),
  processing: processingWith(models, { model: environment.MODEL, denoise: environment.DENOISE }),
  clock,
  observer,
  within: inSendersTrace('dead-letter'),
};

export const handler = onLambda((event) => deadLetter(event, tools));
