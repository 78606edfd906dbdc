import { AwsError, explain } from '#aws/aws-error.ts';
import { readEarlier } from '#pipeline/commit-record.ts';
import type { MetricsRecord } from '#pipeline/metrics-record.ts';
import type { PhotoReference } from '#pipeline/photo.ts';
import type { Clock, Store } from '#pipeline/ports.ts';
import { createNewRecords } from './new-records.ts';

/** A photo that has reached its counted state. `replaced`: somebody uploaded a newer version of the key, or deleted it; no record of this one will come. */
export type Awaited = { readonly photo: PhotoReference; readonly record?: MetricsRecord; readonly replaced?: true };

export type AwaitRecords = {
  /** From now on its record is waited for. */
  add(photo: PhotoReference): void;
  readonly waiting: number;
  /** Asks once for what has come. 1 GET of the pointer, of each new segment one more, and one for each of the oldest photos. */
  look(): Promise<readonly Awaited[]>;
  /** Milliseconds since something was added or came. */
  quietMilliseconds(): number;
};

/** The catalogue gathers records for some seconds; the photos that wait longest are asked for directly, so that few are seen at once. */
const oldestAtOnce = 25;

/**
 * Waits for the records of uploads, however many: through the manifest's segments, each of which is fetched once, and directly for those
 * that were uploaded first.
 */
export function createAwaitRecords({
  photos,
  results,
  clock,
}: {
  readonly photos: Store;
  readonly results: Store;
  readonly clock: Clock;
}): AwaitRecords {
  const waiting = new Map<string, PhotoReference>();
  const catalogued = createNewRecords(results);
  let movedAt = clock.milliseconds();

  const settle = (record: MetricsRecord): Awaited | undefined => {
    const photo = waiting.get(record.photo.key);
    if (!photo || !isOf(record, photo)) return undefined;
    waiting.delete(photo.key);
    return { photo, record };
  };

  return {
    add(photo) {
      waiting.set(photo.key, photo);
      movedAt = clock.milliseconds();
    },
    get waiting() {
      return waiting.size;
    },
    quietMilliseconds: () => clock.milliseconds() - movedAt,
    async look() {
      const fromManifest = (await catalogued.look().catch(unlessRefused)).map(settle);
      const oldest = [...waiting.values()].slice(0, oldestAtOnce);
      const asked = await Promise.all(oldest.map(ask));
      const settled = [...fromManifest, ...asked].filter((found) => found !== undefined);
      if (settled.length > 0) movedAt = clock.milliseconds();
      return settled;
    },
  };

  async function ask(photo: PhotoReference): Promise<Awaited | undefined> {
    const earlier = await readEarlier(photo.key, results);
    const settled = earlier && settle(earlier.record);
    if (settled || !waiting.has(photo.key)) return settled;
    const head = await photos.head(photo.key);
    if (head && (photo.versionId === undefined ? head.etag === photo.etag : head.versionId === photo.versionId))
      return undefined;
    waiting.delete(photo.key);
    return { photo, replaced: true };
  }
}

/** A segment that is gone or damaged takes nothing away: the photos are asked for directly. What AWS refuses will not come either way. */
function unlessRefused(error: unknown): readonly MetricsRecord[] {
  const explained = explain(error);
  if (explained instanceof AwsError) throw explained;
  return [];
}

/** Whether the record is of these bytes: by version, by etag only where the bucket keeps no versions. */
function isOf({ photo: { versionId, etag } }: MetricsRecord, photo: PhotoReference): boolean {
  return photo.versionId === undefined ? etag === photo.etag : versionId === photo.versionId;
}
