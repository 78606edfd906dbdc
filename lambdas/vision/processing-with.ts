import { createHash } from 'node:crypto';
import type { DenoiseMode, Processing } from '#pipeline/processing.ts';
import type { Models } from './model.ts';
import { detectorModels, openDetector } from './open-detector.ts';

/**
 * Which networks a photo goes through, and how, by models.json alone: every function must come to the same, or a job is not the same job.
 * @throws ModelError when models.json lacks one of them.
 */
export function processingWith(
  models: Models,
  { model, denoise }: { readonly model: string; readonly denoise: DenoiseMode },
): Processing {
  const networks = [...detectorModels, 'denoiser', model].map((name) => models.lazily(name));
  const settings = networks.map(({ description: { name, sha256, parameters } }) => [name, sha256, parameters]);
  const [denoiser, unmasker] = [models.lazily('denoiser').identity, models.lazily(model).identity];
  return {
    detector: openDetector(models).model,
    denoiser,
    unmasker,
    denoise,
    settings: createHash('sha256').update(JSON.stringify(settings)).digest('hex'),
  };
}
