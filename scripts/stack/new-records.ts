import { readRecords } from '#pipeline/catalogue.ts';
import { manifestKey, parseManifest } from '#pipeline/manifest.ts';
import type { MetricsRecord } from '#pipeline/metrics-record.ts';
import type { Store } from '#pipeline/ports.ts';

export type NewRecords = {
  /** Records of the segments that the manifest did not name at the last look, the newest of each photo. One GET, and one for each such segment. */
  look(): Promise<readonly MetricsRecord[]>;
  /** From now on, what the manifest names already is not new. One GET. */
  skipAll(): Promise<void>;
};

/**
 * Follows a manifest that others write. When many segments are folded into one, that one holds old records again: whoever looks has to know
 * what is old.
 */
export function createNewRecords(results: Store): NewRecords {
  const seen = new Set<string>();
  let pointer = '';

  const unseen = async () => {
    const stored = await results.get(manifestKey);
    if (!stored || stored.etag === pointer) return undefined;
    const manifest = parseManifest(stored.bytes);
    return { etag: stored.etag, manifest, segments: manifest.segments.filter(({ key }) => !seen.has(key)) };
  };
  const note = ({ etag, segments }: NonNullable<Awaited<ReturnType<typeof unseen>>>) => {
    pointer = etag;
    for (const { key } of segments) seen.add(key);
  };

  return {
    async look() {
      const found = await unseen();
      if (!found) return [];
      const records = await readRecords({ ...found.manifest, segments: found.segments }, results);
      note(found);
      return records;
    },
    async skipAll() {
      const found = await unseen();
      if (found) note(found);
    },
  };
}
