import { photoPrice } from '#pipeline/photo-price.ts';
import type { PriceOf } from '#pipeline/plain-record.ts';
import type { DenoiseMode, Processing } from '#pipeline/processing.ts';
import type { Models } from '#vision/model.ts';
import { openDetector } from '#vision/open-detector.ts';

/** Which models a photo goes through, by models.json alone: every function must come to the same, or a job is not the same job. */
export function processingWith(
  models: Models,
  { MODEL, DENOISE }: { readonly MODEL: string; readonly DENOISE: DenoiseMode },
): Processing {
  const identity = (name: string) => models.lazily(name).identity;
  return {
    detector: openDetector(models).model,
    denoiser: identity('denoiser'),
    unmasker: identity(MODEL),
    denoise: DENOISE,
  };
}

/** What a photo costs on this function's memory and processor. */
export const pricedBy = ({
  AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
}: {
  readonly AWS_LAMBDA_FUNCTION_MEMORY_SIZE: number;
}): PriceOf => {
  const architecture = process.arch === 'arm64' ? 'arm64' : 'x86_64';
  return (totalMs) => photoPrice(totalMs, { memoryMb: AWS_LAMBDA_FUNCTION_MEMORY_SIZE, architecture });
};
