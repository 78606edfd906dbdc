import { writeFile } from 'node:fs/promises';
import { systemClock } from '#local/system-clock.ts';
import { openPhotos } from './open-photos.ts';
import { openResults } from './open-results.ts';
import type { AccountOptions } from './options.ts';
import { fromShell } from './paths.ts';
import { reportPage, writeReport } from './write-report.ts';

export type ReportOptions = AccountOptions & {
  /** Where the originals are, for the pictures of before: files and folders as they were given to `run`, or one s3://bucket. */
  readonly photos?: readonly string[];
  readonly out?: string;
  readonly json?: boolean;
};

/** `unmask report`: the page about results that are there already. Beside them in a folder; elsewhere (`--out`, a bucket) without links. */
export async function report(
  location: string,
  { photos: places = [], out, json, ...account }: ReportOptions,
): Promise<void> {
  const { store: results, folder } = await openResults(location, account);
  const photos = await openPhotos(places, folder, account);
  const place = { results, photos, clock: systemClock };
  const beside = folder !== undefined && out === undefined;
  const file = beside ? undefined : fromShell(out ?? 'report.html');
  if (file !== undefined) await writeFile(file, await reportPage({ ...place, linked: false }));
  const written = file ?? (await writeReport({ ...place, out: folder ?? '' }));
  console.log(json ? JSON.stringify({ event: 'report', report: written }) : `Report:  ${written}`);
}
