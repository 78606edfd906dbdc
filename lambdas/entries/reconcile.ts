import { LambdaClient } from '@aws-sdk/client-lambda';
import { S3Client } from '@aws-sdk/client-s3';
import { createCheckFunction } from '#aws/check-function.ts';
import { createS3Store } from '#aws/s3-store.ts';
import { clock, observer, onLambda } from '../cloud.ts';
import { readEnvironment, reconcileEnvironment } from '../environment.ts';
import { reconcile } from '../reconcile.ts';
import { traced } from '../tracing.ts';

const { PHOTOS_BUCKET, RESULTS_BUCKET, CHECK_FUNCTION } = readEnvironment(reconcileEnvironment);
const s3 = traced(new S3Client());

const tools = {
  photos: createS3Store({ client: s3, bucket: PHOTOS_BUCKET }),
  results: createS3Store({ client: s3, bucket: RESULTS_BUCKET }),
  bucket: PHOTOS_BUCKET,
  checkAgain: createCheckFunction({ client: traced(new LambdaClient()), name: CHECK_FUNCTION }),
  clock,
  observer,
};

export const handler = onLambda((event) => reconcile(event, tools));
