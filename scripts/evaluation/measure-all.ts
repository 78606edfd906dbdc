import type { Codec } from '#pipeline/ports.ts';
import type { CasePhoto } from './case-photos.ts';
import { appendResult, type Result, readResults, resultKey, writeResults } from './results-file.ts';
import { measureRow, type Row } from './rows.ts';

export type MeasureAllOptions = {
  /** All photos and rows that there are: a line about another one is no longer true. */
  readonly known: { readonly photos: readonly CasePhoto[]; readonly rows: readonly Row[] };
  /** Those to measure now. */
  readonly photos: readonly CasePhoto[];
  readonly rows: readonly Row[];
  readonly codec: Codec;
  /** results.csv: what it holds of the same photos and networks is not measured again. */
  readonly file: string;
  /** Photos in work at once. */
  readonly concurrency: number;
  readonly interrupt: AbortSignal;
  readonly onStart: (unmeasured: number, done: number) => void;
  readonly onResult: (result: Result) => void;
};

/**
 * Every row on every photo. Each answer is a line of the file as soon as it is there, so that a run that was stopped goes on where it was.
 * Returns all lines that are true, those that were not asked for now included.
 */
export async function measureAll(options: MeasureAllOptions): Promise<readonly Result[]> {
  const { photos, rows, codec, file, concurrency, interrupt, onStart, onResult } = options;
  const known = await stillTrue(file, options.known);
  await writeResults(file, known.values());
  const unmeasured = photos.flatMap((photo) =>
    rows
      .filter((row) => row.applies(photo) && !known.has(resultKey({ ...photo, row: row.name })))
      .map((row) => ({ photo, row })),
  );
  const asked = photos.flatMap((photo) => rows.filter((row) => row.applies(photo))).length;
  onStart(unmeasured.length, asked - unmeasured.length);
  const measured: Result[] = [];
  const waiting = unmeasured.values();
  const worker = async () => {
    for (const { photo, row } of waiting) {
      if (interrupt.aborted) return;
      const result = await measureRow(row, photo, codec);
      await appendResult(file, result);
      measured.push(result);
      onResult(result);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return [...known.values(), ...measured];
}

/**
 * Lines about a photo that has not changed, by networks that have not, with what is known of the face today. Lines of case V are believed
 * where its photos are not at hand.
 */
async function stillTrue(file: string, known: MeasureAllOptions['known']): Promise<ReadonlyMap<string, Result>> {
  const photos = new Map(known.photos.map((photo) => [JSON.stringify([photo.case, photo.file]), photo]));
  const rows = new Map(known.rows.map((row) => [row.name, row]));
  const withoutReal = !known.photos.some(({ case: name }) => name === 'V');
  return new Map(
    [...(await readResults(file))].flatMap(([key, result]) => {
      const { case: name, file, row, digest, networks } = result;
      const photo = photos.get(JSON.stringify([name, file]));
      const samePhoto = photo?.digest === digest || (name === 'V' && withoutReal);
      if (!samePhoto || rows.get(row)?.networksFor(name) !== networks) return [];
      return [[key, { ...result, facts: photo?.facts ?? result.facts }] as const];
    }),
  );
}
