import { type MetricsRecord, parseMetricsRecord } from './metrics-record.ts';
import { metricsKey, type PhotoReference, unmaskedKey } from './photo.ts';
import type { Store } from './ports.ts';

/**
 * What became of a commit. `written`: the record is there now. `exists`: this very job had committed before (a redelivery).
 * `superseded`: a newer upload of the key is in the bucket, whose own record counts, or the upload was deleted; nothing was written.
 */
export type Commit = { readonly outcome: 'written' | 'exists' | 'superseded'; readonly record: MetricsRecord };

type Stores = { readonly photos: Store; readonly results: Store };

const attempts = 8;

/** What metrics/<key>.json held when it was read. */
export type EarlierRecord = { readonly record: MetricsRecord; readonly etag: string };

export type CommitOptions = {
  /** Replace the record of the same job too. */
  readonly force?: boolean;
  /** What `readEarlier` found for this photo, undefined for nothing; without it the commit reads for itself. */
  readonly read?: { readonly earlier: EarlierRecord | undefined };
};

/**
 * Writes metrics/<key>.json, the commit point of a photo, under a condition, so that of any number of writers exactly one wins and a
 * newer upload of a key beats an older one whatever order messages arrive in. Costs 1 PUT; 1 GET before it when nothing was `read` and
 * after each conflict; 1 HEAD when there is a record of another job.
 * @throws Error when other writers kept changing the record.
 */
export async function commitRecord(
  record: MetricsRecord,
  photo: PhotoReference,
  { photos, results }: Stores,
  { force = false, read }: CommitOptions = {},
): Promise<Commit> {
  const key = metricsKey(photo.key);
  const bytes = new TextEncoder().encode(`${JSON.stringify(record, null, 2)}\n`);
  for (let attempt = 0; attempt < attempts; attempt++) {
    const current = attempt === 0 && read ? read.earlier : await readEarlier(photo.key, results);
    const previous = current?.record;
    if (previous) {
      if (!force && isDone(previous, record.jobId)) return { outcome: 'exists', record: previous };
      if (previous.jobId !== record.jobId && !(await isCurrent(photo, photos)))
        return { outcome: 'superseded', record };
    }
    const condition = current ? { ifMatch: current.etag } : { ifAbsent: true as const };
    const written = await results.put(key, bytes, { contentType: 'application/json', condition });
    if (written === 'conflict') continue;
    // An upload that used to hold a mask and now does not must not keep its old unmasked photo.
    if (previous?.unmasked && !record.unmasked) await results.delete(unmaskedKey(photo.key));
    return { outcome: 'written', record };
  }
  throw new Error(`The metrics record kept changing under ${attempts} conditional writes.`);
}

/** The record that a photo has so far. One GET. */
export async function readEarlier(photoKey: string, results: Store): Promise<EarlierRecord | undefined> {
  const current = await results.get(metricsKey(photoKey));
  return current && { record: parseMetricsRecord(current.bytes), etag: current.etag };
}

/** The record of this job if the photo needs no more work. A `failed` photo is tried again. */
export function doneBefore(jobId: string, earlier: EarlierRecord | undefined): MetricsRecord | undefined {
  return earlier && isDone(earlier.record, jobId) ? earlier.record : undefined;
}

/** Whether these bytes are still what the key holds. One HEAD. */
export async function isCurrent(photo: PhotoReference, photos: Store): Promise<boolean> {
  const head = await photos.head(photo.key);
  return photo.versionId === undefined ? head?.etag === photo.etag : head?.versionId === photo.versionId;
}

const isDone = (record: MetricsRecord, jobId: string): boolean => record.jobId === jobId && record.status !== 'failed';
