import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { type Manifest, manifestKey, newestByKey, parseManifest, type Segment, summarise } from './manifest.ts';
import { type MetricsRecord, metricsRecordSchema, parseMetricsRecord } from './metrics-record.ts';
import type { Clock, Store } from './ports.ts';

export type CatalogueTools = { readonly results: Store; readonly clock: Clock };

/** More segments than this are folded into one, so that a reader fetches few objects. */
const maxSegments = 32;
const attempts = 12;

/**
 * Folds new metrics records into the manifest: writes them as one immutable segment, then moves the pointer under a condition. Any
 * number of writers may do this at once; a record given twice is counted once. Reads every segment: about 1 s per 100,000 photos.
 * @throws Error when other writers kept moving the pointer, or a segment is damaged.
 */
export async function catalogue(records: readonly MetricsRecord[], tools: CatalogueTools): Promise<Manifest> {
  const { results, clock } = tools;
  for (let attempt = 0; attempt < attempts; attempt++) {
    const stored = await results.get(manifestKey);
    const segments = stored ? parseManifest(stored.bytes).segments : [];
    const known = (await Promise.all(segments.map((segment) => readSegment(segment, results)))).flat();
    const seen = new Set(known.map(lineIdentity));
    const fresh = uniqueBy(records, lineIdentity).filter((record) => !seen.has(lineIdentity(record)));
    const all = [...known, ...fresh];
    const folded = segments.length >= maxSegments;
    const added = folded ? all : fresh;
    const manifest: Manifest = {
      schemaVersion: 1,
      ...summarise(all),
      updatedAt: clock.now().toISOString(),
      segments: [...(folded ? [] : segments), ...(added.length > 0 ? [await writeSegment(added, tools)] : [])],
    };
    const condition = stored ? { ifMatch: stored.etag } : { ifAbsent: true as const };
    const bytes = new TextEncoder().encode(`${JSON.stringify(manifest, null, 2)}\n`);
    if ((await results.put(manifestKey, bytes, { contentType: 'application/json', condition })) !== 'conflict')
      return manifest;
  }
  throw new Error(`The manifest kept changing under ${attempts} conditional writes.`);
}

/**
 * Makes the manifest anew from metrics/, the records themselves, and deletes segments that it no longer names: so photos whose record was
 * deleted leave it. One LIST per 1,000 photos and one GET each.
 */
export async function rebuildManifest(tools: CatalogueTools): Promise<Manifest> {
  const { results } = tools;
  const records: MetricsRecord[] = [];
  for await (const { key } of results.list('metrics/')) {
    const stored = await results.get(key);
    if (stored) records.push(parseMetricsRecord(stored.bytes));
  }
  await results.delete(manifestKey);
  const manifest = await catalogue(records, tools);
  await deleteUnnamed(manifest, tools);
  return manifest;
}

/** A writer that has its segment in place moves the pointer within seconds. */
const movingMilliseconds = 60 * 60 * 1000;

async function deleteUnnamed({ segments }: Manifest, { results, clock }: CatalogueTools): Promise<void> {
  const named = new Set([manifestKey, ...segments.map(({ key }) => key)]);
  for await (const { key, lastModified } of results.list('manifest/')) {
    const old = clock.now().getTime() - lastModified.getTime() > movingMilliseconds;
    if (old && !named.has(key)) await results.delete(key);
  }
}

/** The newest record of each photo in the manifest. Fetches every segment. */
export async function readRecords(manifest: Manifest, results: Store): Promise<readonly MetricsRecord[]> {
  const records = await Promise.all(manifest.segments.map((segment) => readSegment(segment, results)));
  return [...newestByKey(records.flat()).values()];
}

/** Every record of a segment; its bytes must have the sha256 that the manifest promises. */
export async function readSegment({ key, sha256 }: Segment, results: Store): Promise<readonly MetricsRecord[]> {
  const stored = await results.get(key);
  if (!stored || hashOf(stored.bytes) !== sha256) {
    throw new Error(
      `Expected a segment with sha256 ${sha256} at ${key}; rebuild the manifest with \`manifest rebuild\`.`,
    );
  }
  const text = (await promisify(gunzip)(stored.bytes)).toString('utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => metricsRecordSchema.parse(JSON.parse(line)));
}

async function writeSegment(records: readonly MetricsRecord[], { results, clock }: CatalogueTools): Promise<Segment> {
  const lines = records.map((record) => `${JSON.stringify(record)}\n`).join('');
  const bytes = await promisify(gzip)(lines);
  const sha256 = hashOf(bytes);
  const [date, time] = clock.now().toISOString().split('T');
  const key = `manifest/dt=${date}/hr=${time?.slice(0, 2)}/${sha256.slice(0, 16)}.ndjson.gz`;
  // The name is the content: when it is there already, it is this very segment.
  await results.put(key, bytes, { contentType: 'application/gzip', condition: { ifAbsent: true } });
  return { key, sha256, records: records.length };
}

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** A line of the manifest: one photo version, processed one way, once. */
const lineIdentity = ({ jobId, createdAt }: MetricsRecord): string => `${jobId} ${createdAt}`;

const uniqueBy = <Item>(items: readonly Item[], identity: (item: Item) => string): readonly Item[] => [
  ...new Map(items.map((item) => [identity(item), item])).values(),
];
