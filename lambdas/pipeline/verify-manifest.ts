import { type Manifest, manifestKey, newestByKey, parseManifest, type Segment, summarise } from './manifest.ts';
import { hashOf, parseSegment } from './manifest-files.ts';
import { type MetricsRecord, parseMetricsRecord } from './metrics-record.ts';
import { metricsKey } from './photo.ts';
import type { Clock, Store } from './ports.ts';
import { eachStoredRecord } from './stored-records.ts';

/** What can be wrong with a manifest: stable, for scripts. */
export type Fault =
  | 'no-manifest'
  | 'unreadable-manifest'
  | 'missing-segment'
  | 'altered-segment'
  | 'unreadable-segment'
  | 'segment-count'
  | 'counts'
  | 'aggregates'
  | 'unreadable-record'
  | 'misplaced-record'
  | 'uncatalogued-record'
  | 'outdated-row'
  | 'row-without-record';

/** `key` is the object's that is wrong, `message` a sentence. */
export type Finding = { readonly fault: Fault; readonly key: string; readonly message: string };

export type Verification = {
  readonly findings: number;
  readonly segments: number;
  /** Lines of all segments. */
  readonly rows: number;
  readonly photos: number;
  /** Records of the last minutes that are not in the manifest yet: a stack catalogues them some seconds later. */
  readonly waiting: number;
  /** False when a segment could not be read: then sums and records were not compared. */
  readonly complete: boolean;
};

export type VerifyOptions = {
  readonly onFinding: (finding: Finding) => void;
  /** Told after each record, how many were read. */
  readonly onRead?: (records: number) => void;
};

/** Cataloguing gathers records for seconds; alarms tell when it takes longer. */
const catalogueMs = 5 * 60 * 1000;

/**
 * Compares the manifest with its segments, and these with metrics/, the records themselves. Changes nothing. One LIST per 1,000 photos,
 * one GET each and one per segment; holds all records, about 1 kB a photo.
 */
export async function verifyManifest(
  { results, clock }: { readonly results: Store; readonly clock: Clock },
  { onFinding, onRead = () => {} }: VerifyOptions,
): Promise<Verification> {
  let findings = 0;
  const find = (fault: Fault, key: string, message: string) => {
    findings++;
    onFinding({ fault, key, message });
  };
  // Records first: one that comes while they are read is then in neither or in the manifest alone, which is asked about again.
  const stored = await readStored(results, find, onRead);
  const manifest = await readPointer(results, find);
  if (!manifest) return { findings, segments: 0, rows: 0, photos: 0, waiting: 0, complete: false };

  const read = await Promise.all(manifest.segments.map((segment) => readRows(segment, results, find)));
  const rows = read.flatMap((some) => some ?? []);
  const newest = newestByKey(rows);
  const complete = !read.includes(undefined);
  let waiting = 0;
  if (complete) {
    compareSums(manifest, rows, find);
    for (const [photoKey, { digest, createdAt }] of stored) {
      const row = newest.get(photoKey);
      if (row && digestOf(row) === digest) continue;
      const key = metricsKey(photoKey);
      if (row && row.createdAt > createdAt) {
        find(
          'outdated-row',
          key,
          `The manifest has a record of ${row.createdAt}, but the photo's own is of ${createdAt}.`,
        );
      } else if (clock.now().getTime() - Date.parse(createdAt) < catalogueMs) {
        waiting++;
      } else if (row) {
        find('outdated-row', key, `The manifest has the record of ${row.createdAt}, not the one of ${createdAt}.`);
      } else {
        find('uncatalogued-record', key, 'The record is not in the manifest.');
      }
    }
    for (const photoKey of newest.keys()) {
      if (stored.has(photoKey) || (await results.head(metricsKey(photoKey)))) continue;
      find(
        'row-without-record',
        metricsKey(photoKey),
        'The manifest has a record of this name, but the record itself is gone.',
      );
    }
  }
  return { findings, segments: manifest.segments.length, rows: rows.length, photos: newest.size, waiting, complete };
}

type Find = (fault: Fault, key: string, message: string) => void;
type Stored = { readonly digest: string; readonly createdAt: string };

/** By photo key. */
async function readStored(
  results: Store,
  find: Find,
  onRead: (records: number) => void,
): Promise<ReadonlyMap<string, Stored>> {
  const records = new Map<string, Stored>();
  let read = 0;
  await eachStoredRecord(results, ({ key, stored }) => {
    onRead(++read);
    const record = unlessUnreadable(() => parseMetricsRecord(stored.bytes));
    if (!record) return find('unreadable-record', key, 'This is no metrics record of schemaVersion 1.');
    const ownKey = unlessUnreadable(() => metricsKey(record.photo.key));
    if (ownKey !== key) {
      return find('misplaced-record', key, `This is the record of ${record.photo.key}, whose place is ${ownKey}.`);
    }
    records.set(record.photo.key, { digest: digestOf(record), createdAt: record.createdAt });
  });
  return records;
}

async function readPointer(results: Store, find: Find): Promise<Manifest | undefined> {
  const stored = await results.get(manifestKey);
  if (!stored) {
    find('no-manifest', manifestKey, 'There is no manifest.');
    return undefined;
  }
  const manifest = unlessUnreadable(() => parseManifest(stored.bytes));
  if (!manifest) find('unreadable-manifest', manifestKey, 'This is no manifest of schemaVersion 1.');
  return manifest;
}

async function readRows(
  { key, sha256, records }: Segment,
  results: Store,
  find: Find,
): Promise<readonly MetricsRecord[] | undefined> {
  const stored = await results.get(key);
  if (!stored) {
    find('missing-segment', key, 'The manifest names this segment, but it is not there.');
    return undefined;
  }
  const found = hashOf(stored.bytes);
  if (found !== sha256) {
    find('altered-segment', key, `Its sha256 is ${found}, but the manifest promises ${sha256}.`);
    return undefined;
  }
  const rows = await parseSegment(stored.bytes).catch(() => undefined);
  if (!rows) find('unreadable-segment', key, 'It is not gzip, or a line of it is no metrics record.');
  else if (rows.length !== records) {
    find('segment-count', key, `It has ${rows.length} records, but the manifest says ${records}.`);
  }
  return rows;
}

function compareSums(manifest: Manifest, rows: readonly MetricsRecord[], find: Find): void {
  const { counts, aggregates } = summarise(rows);
  const compare = (fault: Fault, name: string, said: number | null, is: number | null) => {
    if (!isSame(said, is)) find(fault, manifestKey, `${fault}.${name} is ${said}, but its segments add up to ${is}.`);
  };
  for (const [status, said] of Object.entries(manifest.counts)) {
    compare('counts', status, said, Object.entries(counts).find(([name]) => name === status)?.[1] ?? null);
  }
  for (const [name, said] of Object.entries(manifest.aggregates)) {
    compare('aggregates', name, said, Object.entries(aggregates).find(([other]) => other === name)?.[1] ?? null);
  }
}

/** Means are sums of fractions, and these depend a little on the order. */
const isSame = (a: number | null, b: number | null): boolean =>
  a === b || (a !== null && b !== null && Math.abs(a - b) <= 1e-9 * Math.max(Math.abs(a), Math.abs(b)));

/** Parsed records have their fields in the schema's order, so equal ones have equal texts. */
const digestOf = (record: MetricsRecord): string => hashOf(new TextEncoder().encode(JSON.stringify(record)));

function unlessUnreadable<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
