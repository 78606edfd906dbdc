import { writeFile } from 'node:fs/promises';
import Table from 'cli-table3';
import { systemClock } from '#local/system-clock.ts';
import { readRecords } from '#pipeline/catalogue.ts';
import { makeThumbnails } from '#vision/thumbnail.ts';
import { buildComparison, type ComparedRun, modelsOf } from '../report/build-comparison.ts';
import { signedText, wordsOf } from '../report/compare-page.ts';
import { type Comparison, compareRecords } from '../report/comparison.ts';
import { countText, durationText, pluralText } from '../report/numbers.ts';
import { openPhotos } from './open-photos.ts';
import { openResults } from './open-results.ts';
import type { AccountOptions } from './options.ts';
import { fromShell } from './paths.ts';
import { printable } from './printable.ts';
import { readManifest } from './read-manifest.ts';

export type CompareOptions = AccountOptions & {
  readonly out: string;
  /** Where the originals are, for the pictures of before. */
  readonly photos?: readonly string[];
  readonly json?: boolean;
};

/** `unmask compare`: what two runs, or two models, did to the same photos; figures in the terminal, pictures in one page. */
export async function compare(a: string, b: string, options: CompareOptions): Promise<void> {
  const { out, photos: places = [], json = false, ...account } = options;
  const [runA, runB] = await Promise.all([openRun(a, account), openRun(b, account)]);
  const photos = await openPhotos(places, undefined, account);
  const comparison = compareRecords(runA.records, runB.records);
  const tools = { photos, thumbnails: makeThumbnails, generatedAt: systemClock.now() };
  const page = await buildComparison(comparison, [runA, runB], tools);
  const file = fromShell(out);
  await writeFile(file, page);
  console.log(
    json ? JSON.stringify(comparisonEvent(comparison, file)) : comparisonText(comparison, [runA, runB], file),
  );
}

async function openRun(location: string, account: AccountOptions): Promise<ComparedRun> {
  const { store } = await openResults(location, account);
  const records = await readRecords(await readManifest(store, location), store);
  return { location, records, results: store };
}

function comparisonEvent({ pairs, qualities, ...rest }: Comparison, page: string): object {
  return {
    event: 'comparison',
    inBoth: pairs.length,
    ...rest,
    qualities: qualities.map(({ differences, ...figures }) => figures),
    page,
  };
}

const style = { head: [], border: [], compact: true };

function comparisonText(comparison: Comparison, runs: readonly [ComparedRun, ComparedRun], page: string): string {
  const { pairs, onlyA, onlyB, replaced, identical, statusChanges, qualities, timings } = comparison;
  const [a, b] = runs.map(({ location, records }) => `${printable(location)} (${modelsOf(records) || 'no photos'})`);
  const counts = new Table({ style, colAligns: ['left', 'right'] });
  counts.push(
    ['photos in both', countText(pairs.length)],
    ['only in A', countText(onlyA.length)],
    ['only in B', countText(onlyB.length)],
  );
  if (replaced.length > 0) counts.push(['replaced in between, not compared', countText(replaced.length)]);
  counts.push(['the same result, byte for byte', countText(identical)]);
  for (const { from, to, keys } of statusChanges) counts.push([`${from} in A, ${to} in B`, countText(keys.length)]);

  const figures = new Table({
    head: ['mean', 'A', 'B', 'B − A (95 %)', 'B better', 'B worse', 'measured'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right'],
    style,
  });
  for (const { measure, of, n, meanA, meanB, mean, low, high, better, worse } of qualities) {
    const { name, digits, unit } = wordsOf(measure);
    const difference = `${signedText(mean, digits)}${unit} (${signedText(low, digits)} .. ${signedText(high, digits)})`;
    figures.push([name, meanA.toFixed(digits), meanB.toFixed(digits), difference, better, worse, pluralText(n, of)]);
  }
  const total = timings.find(({ stage }) => stage === 'totalMs');
  if (total) {
    const { meanA, meanB, n } = total;
    figures.push([
      'time a photo',
      durationText(meanA),
      durationText(meanB),
      `${(meanB / meanA).toFixed(2)} times`,
      '',
      '',
      pluralText(n, 'photo'),
    ]);
  }
  const tables = [counts.toString(), ...(qualities.length > 0 || total ? [figures.toString()] : [])];
  return [`A: ${a}`, `B: ${b}`, ...tables, `Page: ${page}`].join('\n');
}
