import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { type Manifest, manifestKey, type Segment } from './manifest.ts';
import { type MetricsRecord, metricsRecordSchema } from './metrics-record.ts';
import type { Clock, Store, StoredObject } from './ports.ts';

/** Every record of a segment, in order; its bytes must have the sha256 that the manifest promises. */
export async function readSegment(segment: Segment, results: Store): Promise<readonly MetricsRecord[]> {
  const stored = await results.get(segment.key);
  if (!stored || hashOf(stored.bytes) !== segment.sha256) {
    throw new Error(
      `Expected a segment with sha256 ${segment.sha256} at ${segment.key}; rebuild the manifest with \`manifest rebuild\`.`,
    );
  }
  return parseSegment(stored.bytes);
}

/** @throws Error when the bytes are not gzip, or a line is no metrics record. */
export async function parseSegment(bytes: Uint8Array): Promise<readonly MetricsRecord[]> {
  const lines = await promisify(gunzip)(bytes);
  const records: MetricsRecord[] = [];
  // Line by line: the lines of half a million photos are more than a string can hold.
  for (let start = 0; start < lines.length; ) {
    const newline = lines.indexOf('\n', start);
    const end = newline < 0 ? lines.length : newline;
    if (end > start) records.push(metricsRecordSchema.parse(JSON.parse(lines.toString('utf8', start, end))));
    start = end + 1;
  }
  return records;
}

type SegmentTools = { readonly results: Store; readonly clock: Clock };

export async function writeSegment(
  records: readonly MetricsRecord[],
  { results, clock }: SegmentTools,
): Promise<Segment> {
  const lines = Buffer.concat(records.map((record) => Buffer.from(`${JSON.stringify(record)}\n`)));
  const bytes = await promisify(gzip)(lines);
  const sha256 = hashOf(bytes);
  const [date, time] = clock.now().toISOString().split('T');
  const key = `manifest/dt=${date}/hr=${time?.slice(0, 2)}/${sha256.slice(0, 16)}.ndjson.gz`;
  const contentType = 'application/gzip';
  const written = await results.put(key, bytes, { contentType, condition: { ifAbsent: true } });
  // The name is the content: what is there already is this very segment, unless it was damaged since.
  if (written === 'conflict' && !(await isWhole(key, sha256, results))) await results.put(key, bytes, { contentType });
  return { key, sha256, records: records.length };
}

async function isWhole(key: string, sha256: string, results: Store): Promise<boolean> {
  const stored = await results.get(key);
  return stored !== undefined && hashOf(stored.bytes) === sha256;
}

/** Whether the pointer is this manifest now: not when it is another than `from` (undefined: none) by then. One PUT. */
export async function movePointer(
  manifest: Manifest,
  from: StoredObject | undefined,
  results: Store,
): Promise<boolean> {
  const condition = from ? { ifMatch: from.etag } : { ifAbsent: true as const };
  const bytes = new TextEncoder().encode(`${JSON.stringify(manifest, null, 2)}\n`);
  return (await results.put(manifestKey, bytes, { contentType: 'application/json', condition })) !== 'conflict';
}

/** A writer that has its segment in place moves the pointer within seconds. */
const movingMilliseconds = 60 * 60 * 1000;

/**
 * Deletes segments that the manifest does not name, once they are so old that nobody is about to name them; and at once those with a line
 * that `isRefused`. Answers the keys of the deleted ones.
 */
export async function deleteUnnamed(
  { segments }: Pick<Manifest, 'segments'>,
  { results, clock }: SegmentTools,
  isRefused?: (record: MetricsRecord) => boolean,
): Promise<readonly string[]> {
  const named = new Set([manifestKey, ...segments.map(({ key }) => key)]);
  const deleted: string[] = [];
  for await (const { key, lastModified } of results.list('manifest/')) {
    if (named.has(key)) continue;
    const isOld = clock.now().getTime() - lastModified.getTime() > movingMilliseconds;
    if (!isOld && !(isRefused && (await recordsAt(key, results)).some(isRefused))) continue;
    await results.delete(key);
    deleted.push(key);
  }
  return deleted;
}

/** Of whatever lies there; none where it is no segment, or gone. */
async function recordsAt(key: string, results: Store): Promise<readonly MetricsRecord[]> {
  const stored = await results.get(key);
  return stored ? parseSegment(stored.bytes).catch(() => []) : [];
}

/** Records that are not among the known ones, each once. A line of the manifest is one photo version, processed one way, once. */
export function freshRecords(
  records: readonly MetricsRecord[],
  known: readonly MetricsRecord[],
): readonly MetricsRecord[] {
  const seen = new Set(known.map(lineIdentity));
  const fresh = new Map(records.map((record) => [lineIdentity(record), record]));
  return [...fresh].flatMap(([identity, record]) => (seen.has(identity) ? [] : record));
}

const lineIdentity = ({ jobId, createdAt }: MetricsRecord): string => `${jobId} ${createdAt}`;

export const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
