import type { DenoiseMode, Processing } from '#pipeline/processing.ts';
import type { Models } from '#vision/model.ts';

/** Which models a photo goes through, by models.json alone: every function must come to the same, or a job is not the same job. */
export function processingWith(
  models: Models,
  { MODEL, DENOISE }: { readonly MODEL: string; readonly DENOISE: DenoiseMode },
): Processing {
  const identity = (name: string) => models.lazily(name).identity;
  return {
    detector: identity('mask-detector'),
    denoiser: identity('denoiser'),
    unmasker: identity(MODEL),
    denoise: DENOISE,
  };
}
