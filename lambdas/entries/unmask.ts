import { S3Client } from '@aws-sdk/client-s3';
import { createS3Store } from '#aws/s3-store.ts';
import { createCodec } from '#vision/codec.ts';
import { createDenoiser } from '#vision/denoiser.ts';
import { loadModels } from '#vision/model.ts';
import { processingWith } from '#vision/processing-with.ts';
import { createUnmasker } from '#vision/unmasker.ts';
import { clock, observer, onLambda } from '../cloud.ts';
import { readEnvironment, unmaskEnvironment } from '../environment.ts';
import { pricedBy } from '../priced-by.ts';
import { inSendersTrace, traced } from '../tracing.ts';
import { unmask } from '../unmask.ts';

const environment = readEnvironment(unmaskEnvironment);
const models = await loadModels(environment.MODELS_FOLDER, { threads: 1 });
const s3 = traced(new S3Client());
const guardMilliseconds = environment.TIME_GUARD_SECONDS * 1000;

const tools = {
  photos: createS3Store({ client: s3, bucket: environment.PHOTOS_BUCKET }),
  results: createS3Store({ client: s3, bucket: environment.RESULTS_BUCKET }),
  codec: createCodec({ maxPixels: environment.MAX_MEGAPIXELS * 1e6 }),
  // Opened before the first photo comes: AWS gives the start a whole core. Few photos are noisy, so the denoiser waits for one.
  unmasker: createUnmasker(await models.open(environment.MODEL)),
  denoiser: createDenoiser(models.lazily('denoiser')),
  processing: processingWith(models, { model: environment.MODEL, denoise: environment.DENOISE }),
  priceOf: pricedBy(environment),
  clock,
  observer,
  within: inSendersTrace('unmask'),
};

export const handler = onLambda((event, context) =>
  unmask(event, { ...tools, hasTime: () => context.getRemainingTimeInMillis() > guardMilliseconds }),
);
