import { UsageError } from '../commands/exit-codes.ts';
import { type Result, readResults } from './results-file.ts';
import { maskedRow } from './rows.ts';
import { isBaseline, photoKey } from './summary.ts';

/** In dB. Both programs compute the same formula on the same pixels, but in cases III each denoises in tiles of its own. */
const tolerance = 0.1;

/**
 * What evaluate.py wrote about fills that need no network, for the photos measured here. Its figure for the mask left on must be ours:
 * otherwise it speaks of other photos.
 * @throws UsageError then, and when the file holds none of these fills.
 */
export async function readBaselines(file: string, measured: readonly Result[]): Promise<readonly Result[]> {
  const lines = [...(await readResults(file)).values()];
  if (!lines.some(({ row }) => isBaseline(row))) {
    throw new UsageError(
      `Expected ${file} to be a results.csv of evaluate.py. Make it: python models/training/evaluate.py --data DATA --out DIR --rows masked harmonic telea kernel-ridge`,
    );
  }
  const ours = new Map(measured.filter(({ row }) => row === maskedRow).map((result) => [photoKey(result), result]));
  for (const line of lines.filter(({ row }) => row === maskedRow)) {
    const [theirs, own] = [line.measures.regionPsnr, ours.get(photoKey(line))?.measures.regionPsnr];
    if (theirs !== null && typeof own === 'number' && Math.abs(theirs - own) > tolerance) {
      throw new UsageError(
        `Expected ${file} to speak of the same photos, but with the mask left on ${line.file} of case ${line.case} has ${theirs.toFixed(2)} dB there and ${own.toFixed(2)} here. Run render_cases.py and evaluate.py of one version again.`,
      );
    }
  }
  return lines.filter((line) => isBaseline(line.row) && ours.has(photoKey(line)));
}
