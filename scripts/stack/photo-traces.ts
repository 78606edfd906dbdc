import type { ObjectVersion } from '#aws/object-versions.ts';
import { readEarlier } from '#pipeline/commit-record.ts';
import { parseMetricsRecord } from '#pipeline/metrics-record.ts';
import { metricsKey, photoPath, referenceKey, unmaskedKey } from '#pipeline/photo.ts';
import type { Store } from '#pipeline/ports.ts';
import type { OpenStack } from './with-stack.ts';

/** In the order in which to delete them. */
export const traceKinds = ['photo version', 'reference version', 'unmasked photo', 'record'] as const;

export type TraceKind = (typeof traceKinds)[number];
export type Trace = ObjectVersion & { readonly kind: TraceKind };

export type PhotoTraces = {
  readonly photoKey: string;
  /** In the order of their kinds. */
  readonly traces: readonly Trace[];
  /** The newest upload has no record of its own: a job may wait, or a function have it in hand. */
  readonly inWork: boolean;
};

type Stack = Pick<OpenStack, 'results' | 'photoVersions' | 'resultVersions'>;

/** Every version of everything that the buckets keep of a photo. Four LISTs, and a GET when there is a record. */
export async function tracesOf(
  photoKey: string,
  { results, photoVersions, resultVersions }: Stack,
): Promise<PhotoTraces> {
  const [photos, references, unmasked, records, earlier] = await Promise.all([
    photoVersions.of(photoKey),
    photoVersions.of(referenceKey(photoKey)),
    resultVersions.of(unmaskedKey(photoKey)),
    resultVersions.of(metricsKey(photoKey)),
    readEarlier(photoKey, results).catch(() => undefined), // What is no record is deleted all the same.
  ]);
  const newest = photos.at(-1);
  return {
    photoKey,
    traces: [
      ...ofKind('photo version', photos),
      ...ofKind('reference version', references),
      ...ofKind('unmasked photo', unmasked),
      ...ofKind('record', records),
    ],
    inWork: newest !== undefined && !newest.isMarker && earlier?.record.photo.versionId !== newest.versionId,
  };
}

const ofKind = (kind: TraceKind, versions: readonly ObjectVersion[]): readonly Trace[] =>
  versions.map((version) => ({ ...version, kind }));

/** Keys of all photos under the prefix `photos/...` of which anything is kept. One LIST for each 1,000 objects. */
export async function photoKeysUnder(prefix: string, stack: Stack): Promise<readonly string[]> {
  const { results, photoVersions, resultVersions } = stack;
  const path = photoPath(prefix);
  const keys = new Set<string>();
  for await (const { key } of photoVersions.list(prefix)) keys.add(key);
  for await (const { key } of photoVersions.list(`references/${path}`)) keys.add(`photos/${afterSlash(key)}`);
  for await (const { key } of resultVersions.list(`unmasked/${path}`)) {
    const photoKey = `photos/${afterSlash(key)}`;
    // Where a very long name was shortened, the record tells the photo's own.
    if (unmaskedKey(photoKey) === key) keys.add(photoKey);
  }
  for await (const { key } of resultVersions.list(`metrics/${path}`)) {
    const photoKey = `photos/${afterSlash(key).replace(/\.json$/, '')}`;
    if (metricsKey(photoKey) === key) keys.add(photoKey);
    else keys.add((await recordedKey(key, results)) ?? photoKey);
  }
  return [...keys].sort();
}

const afterSlash = (key: string): string => key.slice(key.indexOf('/') + 1);

async function recordedKey(recordKey: string, results: Store): Promise<string | undefined> {
  const stored = await results.get(recordKey);
  return stored && parseMetricsRecord(stored.bytes).photo.key;
}
