import { photoPrice } from '#pipeline/photo-price.ts';
import type { PriceOf } from '#pipeline/plain-record.ts';

/** What a photo costs on this function's memory and processor. */
export const pricedBy = ({
  AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
}: {
  readonly AWS_LAMBDA_FUNCTION_MEMORY_SIZE: number;
}): PriceOf => {
  const architecture = process.arch === 'arm64' ? 'arm64' : 'x86_64';
  return (totalMs) => photoPrice(totalMs, { memoryMb: AWS_LAMBDA_FUNCTION_MEMORY_SIZE, architecture });
};
