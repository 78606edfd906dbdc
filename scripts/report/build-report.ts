import { compareKeys } from '#local/key-order.ts';
import { type Manifest, newestByKey } from '#pipeline/manifest.ts';
import type { MetricsRecord } from '#pipeline/metrics-record.ts';
import type { Store } from '#pipeline/ports.ts';
import type { MakeThumbnails } from '#vision/thumbnail.ts';
import { browserFile } from './browser-file.ts';
import { earlierPictures, reportKey } from './earlier-pictures.ts';
import { photoRow } from './photo-row.ts';
import { takePictures } from './pictures.ts';
import { reportPage } from './report-page.ts';

export type ReportContent = {
  /** Every photo of the results, not only of the last run; of several records of a key the newest counts. */
  readonly records: readonly MetricsRecord[];
  readonly manifest: Manifest;
  /** Default: 'Unmasked photos'. */
  readonly title?: string;
  /** Whether the page will lie at `reportKey` beside the results, so that it can link to them. Default true. */
  readonly linked?: boolean;
  readonly generatedAt: Date;
};

export { reportKey };

export type ReportTools = {
  readonly results: Store;
  /** Holds the originals. Without it, or where one is gone or was replaced, only the unmasked face is shown. */
  readonly photos?: Store;
  readonly thumbnails: MakeThumbnails;
};

/**
 * One self-contained HTML page about everything in `results`, to be put at `reportKey` there (its links are relative). The same
 * input gives the same page. Reads two objects for each photo whose pictures are embedded (see `maxEmbedded`) and that the report
 * before this one did not have: about 30 ms a photo, else 1 s per 20,000 records.
 */
export async function buildReport(
  { records, manifest, title = 'Unmasked photos', linked = true, generatedAt }: ReportContent,
  { results, photos, thumbnails }: ReportTools,
): Promise<string> {
  const newest = [...newestByKey(records).values()].sort((a, b) => compareKeys(a.photo.key, b.photo.key));
  const earlier = await earlierPictures(results);
  const pictures = await takePictures(newest, { results, photos, thumbnails, earlier });
  const [style, script] = await Promise.all([browserFile('report.css'), browserFile('client.js')]);
  const rows = newest.map((record) => photoRow(record, pictures.get(record.photo.key), linked));
  return reportPage({ title, generatedAt, records: newest, rows, manifest, style, script }).markup;
}
