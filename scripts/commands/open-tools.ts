import { availableParallelism } from 'node:os';
import type { Codec, Denoiser, Detector, Unmasker } from '#pipeline/ports.ts';
import type { DenoiseMode, Processing } from '#pipeline/processing.ts';
import { createCodec } from '#vision/codec.ts';
import { createDenoiser } from '#vision/denoiser.ts';
import { loadModels, type ModelOptions, type Models } from '#vision/model.ts';
import { detectorModels, openDetector } from '#vision/open-detector.ts';
import { createUnmasker } from '#vision/unmasker.ts';
import { UsageError } from './exit-codes.ts';
import { fromProject } from './paths.ts';

export type ToolOptions = {
  /** The unmasker, a name from models.json. */
  readonly model: string;
  readonly denoise: DenoiseMode;
  /** Photos in work at once: they share the cores. */
  readonly concurrency: number;
};

export type Tools = {
  readonly codec: Codec;
  readonly detector: Detector;
  readonly denoiser: Denoiser;
  readonly unmasker: Unmasker;
  readonly processing: Processing;
};

/** Everything a photo needs on this machine. Verifies the networks' files; each is opened by the first photo that needs it. */
export async function openTools({ model, denoise, concurrency }: ToolOptions): Promise<Tools> {
  const threads = Math.max(1, Math.floor(availableParallelism() / concurrency));
  const models = await openModels({ threads });
  const unmaskers = models.descriptions.filter(({ task }) => task === 'unmask').map(({ name }) => name);
  if (!unmaskers.includes(model)) {
    throw new UsageError(`Expected one of ${unmaskers.join(', ')} as the model but received ${model}.`);
  }
  await models.verify([...detectorModels, 'denoiser', model]);
  const detector = openDetector(models);
  const denoiser = createDenoiser(models.lazily('denoiser'));
  const unmasker = createUnmasker(models.lazily(model));
  const processing = { detector: detector.model, denoiser: denoiser.model, unmasker: unmasker.model, denoise };
  return { codec: createCodec(), detector, denoiser, unmasker, processing };
}

/** The models that come with the project, or those of the folder in UNMASK_MODELS: your own training, say. */
export const openModels = (options?: ModelOptions): Promise<Models> =>
  loadModels(process.env.UNMASK_MODELS ?? fromProject('models'), options);
