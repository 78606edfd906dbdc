import { parseMetricsRecord } from './metrics-record.ts';
import { metricsKey, type PhotoReference } from './photo.ts';
import type { Clock, Store } from './ports.ts';

export type UnrecordedOptions = {
  readonly photos: Store;
  readonly results: Store;
  readonly clock: Clock;
  /** Name of the photos bucket, for the references. */
  readonly bucket: string;
  /** Photos whose record says `failed` too: a redrive. Costs one GET for each record. */
  readonly failed?: boolean;
  /** Younger uploads may simply be under way: jobs that wait, and retries after a visibility timeout. Default 60. */
  readonly olderThanMinutes?: number;
};

/**
 * Uploads that have no record, or only one that is older than they are: their event was lost, or its handling. Costs one LIST for each
 * 1,000 photos and records, one HEAD for each photo found, and about 200 bytes of memory for each record.
 */
export async function* unrecordedUploads(options: UnrecordedOptions): AsyncIterable<PhotoReference> {
  const { photos, results, clock, bucket, failed = false, olderThanMinutes = 60 } = options;
  const recorded = new Map<string, Date>();
  for await (const { key, lastModified } of results.list('metrics/')) recorded.set(key, lastModified);

  for await (const { key, lastModified } of photos.list('photos/')) {
    if (key.endsWith('/')) continue; // A folder that a console made; it started nothing.
    const at = recorded.get(metricsKey(key));
    const lost = at === undefined || at < lastModified;
    if (lost ? clock.now().getTime() - lastModified.getTime() < olderThanMinutes * 60_000 : !failed) continue;
    if (!lost && !(await isFailed(key, results))) continue;
    const head = await photos.head(key);
    if (!head) continue;
    const { etag, bytes, versionId } = head;
    yield { bucket, key, etag, bytes, ...(versionId !== undefined && { versionId }) };
  }
}

async function isFailed(photoKey: string, results: Store): Promise<boolean> {
  const stored = await results.get(metricsKey(photoKey));
  return stored !== undefined && parseMetricsRecord(stored.bytes).status === 'failed';
}
