import type { CatalogueTools } from './catalogue.ts';
import { type Manifest, manifestKey, parseManifest, type Segment, summarise } from './manifest.ts';
import { deleteUnnamed, freshRecords, movePointer, readSegment, writeSegment } from './manifest-files.ts';
import { type MetricsRecord, parseMetricsRecord } from './metrics-record.ts';
import type { StoredObject } from './ports.ts';
import { eachStoredRecord } from './stored-records.ts';

export type RebuildOptions = {
  /** Told after each record, how many were read. */
  readonly onRead?: (records: number) => void;
};

const attempts = 12;

/** A record is stamped before it is written: whoever was slow about that is at most so late (a function has 15 minutes). */
const stampedBeforeMs = 15 * 60 * 1000;

/**
 * Makes the manifest anew from metrics/, the records themselves, and deletes segments that it no longer names: so photos whose record was
 * deleted leave it. The old manifest counts until the new one replaces it in one step; what others catalogue meanwhile is kept. One LIST
 * per 1,000 photos and one GET each.
 * @throws Error when a file there is no record, or others kept moving the pointer.
 */
export async function rebuildManifest(
  tools: CatalogueTools,
  { onRead = () => {} }: RebuildOptions = {},
): Promise<Manifest> {
  const { results, clock } = tools;
  const startedAt = clock.now().getTime();
  const before = await results.get(manifestKey);
  const records = await readRecords(tools, onRead);
  const rebuilt = records.length > 0 ? [await writeSegment(records, tools)] : [];
  for (let attempt = 0; attempt < attempts; attempt++) {
    const current = await results.get(manifestKey);
    const moved = current && current.etag !== before?.etag ? await recordsIn(current, before, tools) : [];
    const recent = moved.filter(({ createdAt }) => Date.parse(createdAt) >= startedAt - stampedBeforeMs);
    const added = freshRecords(recent, records);
    const manifest: Manifest = {
      schemaVersion: 1,
      ...summarise([...records, ...added]),
      updatedAt: clock.now().toISOString(),
      segments: [...rebuilt, ...(added.length > 0 ? [await writeSegment(added, tools)] : [])],
    };
    if (await movePointer(manifest, current, results)) {
      await deleteUnnamed(manifest, tools);
      return manifest;
    }
  }
  throw new Error(`The manifest kept changing under ${attempts} conditional writes.`);
}

/** In the order of their keys, so that the same records make the same segment. */
async function readRecords(
  { results }: CatalogueTools,
  onRead: (records: number) => void,
): Promise<readonly MetricsRecord[]> {
  const records = new Map<string, MetricsRecord>();
  await eachStoredRecord(results, ({ key, stored }) => {
    try {
      records.set(key, parseMetricsRecord(stored.bytes));
    } catch (cause) {
      throw new Error(
        `Expected a metrics record of schemaVersion 1 at ${key}; delete it, and its photo is done again.`,
        {
          cause,
        },
      );
    }
    onRead(records.size);
  });
  return [...records].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, record]) => record);
}

/** Records of the segments that the pointer got since. It was just moved by a writer who had read them all. */
async function recordsIn(
  current: StoredObject,
  before: StoredObject | undefined,
  { results }: CatalogueTools,
): Promise<readonly MetricsRecord[]> {
  const old = new Set(before && segmentsOf(before).map(({ sha256 }) => sha256));
  const added = parseManifest(current.bytes).segments.filter(({ sha256 }) => !old.has(sha256));
  return (await Promise.all(added.map((segment) => readSegment(segment, results)))).flat();
}

/** None when the pointer is damaged: that is a reason to rebuild it. */
function segmentsOf(stored: StoredObject): readonly Segment[] {
  try {
    return parseManifest(stored.bytes).segments;
  } catch {
    return [];
  }
}
