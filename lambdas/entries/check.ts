import { S3Client } from '@aws-sdk/client-s3';
import { SQSClient } from '@aws-sdk/client-sqs';
import { createS3Store } from '#aws/s3-store.ts';
import { createSqsQueue } from '#aws/sqs-queue.ts';
import { createCodec } from '#vision/codec.ts';
import { loadModels } from '#vision/model.ts';
import { detectorModels, openDetector } from '#vision/open-detector.ts';
import { processingWith } from '#vision/processing-with.ts';
import { check } from '../check.ts';
import { clock, observer, onLambda } from '../cloud.ts';
import { checkEnvironment, readEnvironment } from '../environment.ts';
import { pricedBy } from '../priced-by.ts';
import { traced } from '../tracing.ts';

const environment = readEnvironment(checkEnvironment);
const models = await loadModels(environment.MODELS_FOLDER, { threads: 1 });
// Opened before the first photo comes: AWS gives the start a whole core.
await Promise.all(detectorModels.map(models.open));
const s3 = traced(new S3Client());

const tools = {
  photos: createS3Store({ client: s3, bucket: environment.PHOTOS_BUCKET }),
  results: createS3Store({ client: s3, bucket: environment.RESULTS_BUCKET }),
  queue: createSqsQueue({ client: traced(new SQSClient()), url: environment.JOBS_QUEUE_URL }),
  codec: createCodec({ maxPixels: environment.MAX_MEGAPIXELS * 1e6 }),
  detector: openDetector(models),
  processing: processingWith(models, { model: environment.MODEL, denoise: environment.DENOISE }),
  priceOf: pricedBy(environment),
  clock,
  observer,
};

export const handler = onLambda((event) => check(event, tools));
