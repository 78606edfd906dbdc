import { join } from 'node:path';
import { readRecords } from '#pipeline/catalogue.ts';
import { manifestKey, parseManifest } from '#pipeline/manifest.ts';
import type { Clock, Store } from '#pipeline/ports.ts';
import { makeThumbnails } from '#vision/thumbnail.ts';
import { buildReport, reportKey } from '../report/build-report.ts';

export type ReportPlace = {
  readonly out: string;
  readonly results: Store;
  readonly photos: Store;
  readonly clock: Clock;
};

/** Writes the page about everything that the manifest in `out` knows, and answers where it is. */
export async function writeReport({ out, results, photos, clock }: ReportPlace): Promise<string> {
  const stored = await results.get(manifestKey);
  if (!stored) throw new Error(`Expected a manifest at ${join(out, manifestKey)}.`);
  const manifest = parseManifest(stored.bytes);
  const records = await readRecords(manifest, results);
  const content = { records, manifest, generatedAt: clock.now() };
  const page = await buildReport(content, { results, photos, thumbnails: makeThumbnails });
  await results.put(reportKey, new TextEncoder().encode(page), { contentType: 'text/html; charset=utf-8' });
  return join(out, reportKey);
}
