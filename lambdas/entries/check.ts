import { S3Client } from '@aws-sdk/client-s3';
import { SQSClient } from '@aws-sdk/client-sqs';
import { createS3Store } from '#aws/s3-store.ts';
import { createSqsQueue } from '#aws/sqs-queue.ts';
import { createCodec } from '#vision/codec.ts';
import { createDetector } from '#vision/detector.ts';
import { loadModels } from '#vision/model.ts';
import { check } from '../check.ts';
import { clock, observer, onLambda, traced } from '../cloud.ts';
import { checkEnvironment, readEnvironment } from '../environment.ts';
import { pricedBy, processingWith } from '../processing.ts';

const environment = readEnvironment(checkEnvironment);
const models = await loadModels(environment.MODELS_FOLDER, { threads: 1 });
const s3 = traced(new S3Client());

const tools = {
  photos: createS3Store({ client: s3, bucket: environment.PHOTOS_BUCKET }),
  results: createS3Store({ client: s3, bucket: environment.RESULTS_BUCKET }),
  queue: createSqsQueue({ client: traced(new SQSClient()), url: environment.JOBS_QUEUE_URL }),
  codec: createCodec({ maxPixels: environment.MAX_MEGAPIXELS * 1e6 }),
  // Opened before the first photo comes: AWS gives the start a whole core.
  detector: createDetector(await models.open('mask-detector')),
  processing: processingWith(models, environment),
  priceOf: pricedBy(environment),
  clock,
  observer,
};

export const handler = onLambda((event) => check(event, tools));
