import { createHash } from 'node:crypto';
import type { MetricsRecord } from '#pipeline/metrics-record.ts';
import { metricsKey } from '#pipeline/photo.ts';
import type { Store } from '#pipeline/ports.ts';

export type Fetched = {
  /** What had to be transferred; what the folder had already was left as it is. */
  readonly bytes: number;
};

/**
 * The results of one photo from the bucket into a folder of the same layout: the unmasked photo first, its record last, so that a record in
 * the folder means that all of it is there. What is there and unchanged is not fetched again. `bytes`: the record as it is in the bucket.
 */
export async function fetchResult(
  record: MetricsRecord,
  from: Store,
  to: Store,
  bytes: Uint8Array = new TextEncoder().encode(`${JSON.stringify(record, null, 2)}\n`),
): Promise<Fetched> {
  const { unmasked } = record;
  const fetched = unmasked ? await fetchUnmasked(unmasked, from, to) : 0;
  await to.put(metricsKey(record.photo.key), bytes, { contentType: 'application/json' });
  return { bytes: fetched };
}

type Unmasked = NonNullable<MetricsRecord['unmasked']>;

/** A folder's etag is the content's sha256, as the record's. An unmasked photo that has expired or been replaced meanwhile is left out. */
async function fetchUnmasked({ key, sha256 }: Unmasked, from: Store, to: Store): Promise<number> {
  if ((await to.head(key))?.etag === sha256) return 0;
  const stored = await from.get(key);
  if (!stored || createHash('sha256').update(stored.bytes).digest('hex') !== sha256) return 0;
  await to.put(key, stored.bytes);
  return stored.bytes.length;
}
