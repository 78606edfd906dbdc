import { type Manifest, manifestKey, newestByKey, parseManifest, type Segment, summarise } from './manifest.ts';
import { freshRecords, movePointer, readSegment, writeSegment } from './manifest-files.ts';
import type { MetricsRecord } from './metrics-record.ts';
import type { Clock, Store } from './ports.ts';

export type CatalogueTools = { readonly results: Store; readonly clock: Clock };

/** More segments than this are folded into one, so that a reader fetches few objects. */
const maxSegments = 32;
/** Every lost attempt is another writer's move. Of two that take turns by chance one in four thousand would lose twelve in a row. */
const attempts = 50;

/**
 * Folds new metrics records into the manifest: writes them as one immutable segment, then moves the pointer under a condition. Any
 * number of writers may do this at once; a record given twice is counted once. Reads every segment once, about 1 s per 100,000 photos,
 * and after a lost attempt only those that are new.
 * @throws Error when other writers kept moving the pointer, or a segment is damaged.
 */
export async function catalogue(records: readonly MetricsRecord[], tools: CatalogueTools): Promise<Manifest> {
  const { results, clock } = tools;
  const read = new Map<string, Promise<readonly MetricsRecord[]>>();
  const readOnce = (segment: Segment) => {
    const reading = read.get(segment.key) ?? readSegment(segment, results);
    read.set(segment.key, reading);
    return reading;
  };
  for (let attempt = 0; attempt < attempts; attempt++) {
    const stored = await results.get(manifestKey);
    const segments = stored ? parseManifest(stored.bytes).segments : [];
    const known = (await Promise.all(segments.map(readOnce))).flat();
    const fresh = freshRecords(records, known);
    const all = [...known, ...fresh];
    const folded = segments.length >= maxSegments;
    const added = folded ? all : fresh;
    const manifest: Manifest = {
      schemaVersion: 1,
      ...summarise(all),
      updatedAt: clock.now().toISOString(),
      segments: [...(folded ? [] : segments), ...(added.length > 0 ? [await writeSegment(added, tools)] : [])],
    };
    if (await movePointer(manifest, stored, results)) return manifest;
  }
  throw new Error(`The manifest kept changing under ${attempts} conditional writes.`);
}

/** The newest record of each photo in the manifest. Fetches every segment. */
export async function readRecords(manifest: Manifest, results: Store): Promise<readonly MetricsRecord[]> {
  const records = await Promise.all(manifest.segments.map((segment) => readSegment(segment, results)));
  return [...newestByKey(records.flat()).values()];
}
