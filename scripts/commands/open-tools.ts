import { availableParallelism } from 'node:os';
import type { Codec, Denoiser, Detector, Unmasker } from '#pipeline/ports.ts';
import type { DenoiseMode, Processing } from '#pipeline/processing.ts';
import { createCodec } from '#vision/codec.ts';
import { createDenoiser } from '#vision/denoiser.ts';
import { loadModels, type Models } from '#vision/model.ts';
import { createNetworkThreads } from '#vision/network-threads.ts';
import { detectorModels, openDetector } from '#vision/open-detector.ts';
import { processingWith } from '#vision/processing-with.ts';
import { createUnmasker } from '#vision/unmasker.ts';
import { UsageError } from './exit-codes.ts';
import { fromProject } from './paths.ts';

export type ToolOptions = {
  /** The unmasker, a name from models.json. */
  readonly model: string;
  readonly denoise: DenoiseMode;
  /** Photos in work at once. Default 1. */
  readonly atOnce?: number;
};

export type Tools = {
  readonly codec: Codec;
  readonly detector: Detector;
  readonly denoiser: Denoiser;
  readonly unmasker: Unmasker;
  readonly processing: Processing;
};

/** Everything a photo needs on this machine. Verifies the networks' files; they are opened when the first photo has work for them. */
export async function openTools({ model, denoise, atOnce = 1 }: ToolOptions): Promise<Tools> {
  const models = await openModels({ atOnce });
  const unmaskers = models.descriptions.filter(({ task }) => task === 'unmask').map(({ name }) => name);
  if (!unmaskers.includes(model)) {
    throw new UsageError(`Expected one of ${unmaskers.join(', ')} as the model but received ${model}.`);
  }
  await models.verify([...detectorModels, 'denoiser', model]);
  const detector = openDetector(models);
  const denoiser = createDenoiser(models.lazily('denoiser'));
  const unmasker = createUnmasker(models.lazily(model));
  const processing = processingWith(models, { model, denoise });
  const codec = openingAhead(createCodec(), models, [...detectorModels, model]);
  return { codec, detector, denoiser, unmasker, processing };
}

/** Networks that nearly every photo needs open side by side while the first photo is decoded, not each when it is first run. */
function openingAhead(codec: Codec, models: Models, names: readonly string[]): Codec {
  let begun = false;
  return {
    ...codec,
    inspect(bytes) {
      if (!begun) for (const name of names) models.open(name).catch(() => {}); // whoever runs it will hear of the error
      begun = true;
      return codec.inspect(bytes);
    },
  };
}

/** While two photos are with the networks, a third is read, warped, pasted or written. On one core, one after the other. */
export const photosAtOnce = (): number => (availableParallelism() === 1 ? 1 : 3);

/**
 * The models that come with the project, or those of the folder in UNMASK_MODELS: your own training, say. For one photo at a time every
 * network takes all cores; for several, two networks share them.
 */
export async function openModels({ atOnce = 1 }: Pick<ToolOptions, 'atOnce'> = {}): Promise<Models> {
  const folder = process.env.UNMASK_MODELS ?? fromProject('models');
  if (atOnce === 1) return loadModels(folder);
  const threads = Math.min(Math.max(1, Math.floor(availableParallelism() / 2)), 4);
  return loadModels(folder, { threads, computer: createNetworkThreads() });
}
