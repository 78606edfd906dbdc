import { join } from 'node:path';
import { readRecords } from '#pipeline/catalogue.ts';
import { manifestKey, parseManifest } from '#pipeline/manifest.ts';
import type { Clock, Store } from '#pipeline/ports.ts';
import { makeThumbnails } from '#vision/thumbnail.ts';
import { buildReport, reportKey } from '../report/build-report.ts';
import { UsageError } from './exit-codes.ts';

export type ReportPlace = {
  readonly results: Store;
  readonly photos: Store;
  readonly clock: Clock;
  /** Whether the page will lie beside the results. Default true. */
  readonly linked?: boolean;
};

/** Writes the page about everything that the manifest in the folder `out` knows, and answers where it is. */
export async function writeReport({ out, ...place }: ReportPlace & { readonly out: string }): Promise<string> {
  const page = await reportPage(place);
  await place.results.put(reportKey, new TextEncoder().encode(page), { contentType: 'text/html; charset=utf-8' });
  return join(out, reportKey);
}

/** @throws UsageError when there are no results. */
export async function reportPage({ results, photos, clock, linked }: ReportPlace): Promise<string> {
  const stored = await results.get(manifestKey);
  if (!stored)
    throw new UsageError(
      `Expected results with a ${manifestKey}; \`run\` makes them, \`manifest rebuild\` mends them.`,
    );
  const manifest = parseManifest(stored.bytes);
  const records = await readRecords(manifest, results);
  const content = { records, manifest, generatedAt: clock.now(), ...(linked !== undefined && { linked }) };
  return buildReport(content, { results, photos, thumbnails: makeThumbnails });
}
