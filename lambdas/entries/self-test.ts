import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createCodec } from '#vision/codec.ts';
import { createDenoiser } from '#vision/denoiser.ts';
import { loadModels } from '#vision/model.ts';
import { openDetector } from '#vision/open-detector.ts';
import { processingWith } from '#vision/processing-with.ts';
import { createUnmasker } from '#vision/unmasker.ts';
import { readEnvironment, selfTestEnvironment } from '../environment.ts';
import { selfTest } from '../self-test.ts';

// `node self-test.mjs`, run while the image is built: ends with 1, and so stops the build, when the golden photo comes out wrong.
const { MODELS_FOLDER, MODEL, DENOISE } = readEnvironment(selfTestEnvironment);
const golden = (folder: string) => readFile(join(import.meta.dirname, 'golden', folder, 'frontal.jpg'));

const models = await loadModels(MODELS_FOLDER, { threads: 1 });
const record = await selfTest(
  { photo: await golden('photos'), reference: await golden('references') },
  {
    codec: createCodec(),
    detector: openDetector(models),
    denoiser: createDenoiser(await models.open('denoiser')),
    unmasker: createUnmasker(await models.open(MODEL)),
    processing: processingWith(models, { model: MODEL, denoise: DENOISE }),
    clock: { now: () => new Date(), milliseconds: () => performance.now() },
  },
);
console.log(JSON.stringify(record));
