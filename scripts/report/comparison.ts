import { intersectionOverUnion } from '#image/box.ts';
import { compareKeys } from '#local/key-order.ts';
import { newestByKey } from '#pipeline/manifest.ts';
import type { FaceRecord, MetricsRecord, Quality, Status } from '#pipeline/metrics-record.ts';
import { bootstrapInterval, mean } from '../evaluation/statistics.ts';
import { photoMilliseconds } from './photo-row.ts';

/** A photo that both runs have, and the faces that both found: `faces` by index in either record. */
export type Pair = {
  readonly key: string;
  readonly a: MetricsRecord;
  readonly b: MetricsRecord;
  readonly faces: readonly { readonly a: number; readonly b: number }[];
};

/** One measure over everything that both runs have it for; differences are B - A. */
export type Difference = {
  readonly measure: string;
  /** What is counted: faces or photos. */
  readonly of: 'face' | 'photo';
  readonly n: number;
  readonly meanA: number;
  readonly meanB: number;
  readonly mean: number;
  /** 95 % bootstrap interval of `mean`. */
  readonly low: number;
  readonly high: number;
  readonly better: number;
  readonly worse: number;
  readonly differences: readonly number[];
};

export type StageTimes = { readonly stage: string; readonly n: number; readonly meanA: number; readonly meanB: number };
export type StatusChange = { readonly from: Status; readonly to: Status; readonly keys: readonly string[] };

export type Comparison = {
  /** Photos of which both runs have the same upload, in key order. */
  readonly pairs: readonly Pair[];
  readonly onlyA: readonly string[];
  readonly onlyB: readonly string[];
  /** Keys under which the runs found other photos: they are not compared. */
  readonly replaced: readonly string[];
  readonly statusChanges: readonly StatusChange[];
  /** Unmasked photos that are the same byte for byte. */
  readonly identical: number;
  readonly qualities: readonly Difference[];
  readonly timings: readonly StageTimes[];
};

/** Two runs, or two models, over the same photos; of several records of a key the newest counts. */
export function compareRecords(recordsA: readonly MetricsRecord[], recordsB: readonly MetricsRecord[]): Comparison {
  const [a, b] = [newestByKey(recordsA), newestByKey(recordsB)];
  const keys = [...a.keys()].sort(compareKeys);
  const both = keys.flatMap((key) => {
    const [one, other] = [a.get(key), b.get(key)];
    return one && other ? [{ key, a: one, b: other, faces: matchedFaces(one.faces, other.faces) }] : [];
  });
  const pairs = both.filter(isSameUpload);
  return {
    pairs,
    onlyA: keys.filter((key) => !b.has(key)),
    onlyB: [...b.keys()].filter((key) => !a.has(key)).sort(compareKeys),
    replaced: both.filter((pair) => !isSameUpload(pair)).map(({ key }) => key),
    statusChanges: statusChanges(pairs),
    identical: pairs.filter(isIdentical).length,
    qualities: measures.flatMap((measure) => differenceOf(measure, pairs) ?? []),
    timings: stageTimes(pairs),
  };
}

/** The same result, byte for byte; nothing to look at. */
export const isIdentical = ({ a, b }: Pair): boolean =>
  a.unmasked !== undefined && a.unmasked.sha256 === b.unmasked?.sha256;

export const hasChangedStatus = ({ a, b }: Pair): boolean => a.status !== b.status;

/** A local run knows a photo by its sha256, a bucket by an etag of its own: across the two, size and dimensions have to do. */
function isSameUpload({ a, b }: Pair): boolean {
  if (a.photo.etag === b.photo.etag) return true;
  const isLocal = ({ photo }: MetricsRecord) => /^[0-9a-f]{64}$/.test(photo.etag);
  return isLocal(a) !== isLocal(b) && a.photo.bytes === b.photo.bytes && a.photo.width === b.photo.width;
}

/** Faces overlap when they are the same; each is matched once, the best overlap first. */
function matchedFaces(facesA: readonly FaceRecord[], facesB: readonly FaceRecord[]): Pair['faces'] {
  const candidates = facesA
    .flatMap((faceA, a) => facesB.map((faceB, b) => ({ a, b, overlap: intersectionOverUnion(faceA.box, faceB.box) })))
    .filter(({ overlap }) => overlap > 0.5)
    .sort((one, other) => other.overlap - one.overlap);
  const matched: { a: number; b: number }[] = [];
  for (const { a, b } of candidates) {
    if (!matched.some((match) => match.a === a || match.b === b)) matched.push({ a, b });
  }
  return matched.sort((one, other) => one.a - other.a);
}

function statusChanges(pairs: readonly Pair[]): readonly StatusChange[] {
  const changed = Map.groupBy(pairs.filter(hasChangedStatus), ({ a, b }) => `${a.status} ${b.status}`);
  return [...changed.values()]
    .flatMap((members) => {
      const [first] = members;
      return first ? [{ from: first.a.status, to: first.b.status, keys: members.map(({ key }) => key) }] : [];
    })
    .sort((one, other) => other.keys.length - one.keys.length);
}

type Measure = {
  readonly measure: string;
  readonly of: 'face' | 'photo';
  readonly higherIsBetter: boolean;
  readonly value: (face: FaceRecord) => number | null | undefined;
};

const quality = (name: keyof Quality) => (face: FaceRecord) => face.quality?.[name];

const measures: readonly Measure[] = [
  { measure: 'regionPsnr', of: 'face', higherIsBetter: true, value: quality('regionPsnr') },
  { measure: 'regionSsim', of: 'face', higherIsBetter: true, value: quality('regionSsim') },
  { measure: 'psnr', of: 'photo', higherIsBetter: true, value: quality('psnr') },
  { measure: 'ssim', of: 'photo', higherIsBetter: true, value: quality('ssim') },
  { measure: 'seam', of: 'face', higherIsBetter: false, value: ({ seam }) => seam },
];

/** B - A for each face (or photo) that has the measure in both. */
export function differencesIn(pair: Pair, measure: 'regionPsnr' | 'seam'): readonly number[] {
  const known = measures.find((candidate) => candidate.measure === measure);
  return known ? valuesOf(known, pair).map(({ a, b }) => b - a) : [];
}

function valuesOf(
  { of, value }: Measure,
  { a, b, faces }: Pair,
): readonly { readonly a: number; readonly b: number }[] {
  const values = faces.flatMap((match) => {
    const [faceA, faceB] = [a.faces[match.a], b.faces[match.b]];
    const [one, other] = [faceA && value(faceA), faceB && value(faceB)];
    return typeof one === 'number' && typeof other === 'number' ? [{ a: one, b: other }] : [];
  });
  // Whole-photo figures are the same for every face of the photo.
  return of === 'photo' ? values.slice(0, 1) : values;
}

/** Smaller differences are rounding, not better or worse. */
const least = 1e-6;

function differenceOf(measure: Measure, pairs: readonly Pair[]): Difference | undefined {
  const values = pairs.flatMap((pair) => valuesOf(measure, pair));
  if (values.length === 0) return undefined;
  const differences = values.map(({ a, b }) => b - a);
  const gains = differences.map((difference) => (measure.higherIsBetter ? difference : -difference));
  return {
    measure: measure.measure,
    of: measure.of,
    n: values.length,
    meanA: mean(values.map(({ a }) => a)),
    meanB: mean(values.map(({ b }) => b)),
    mean: mean(differences),
    ...bootstrapInterval(differences),
    better: gains.filter((gain) => gain > least).length,
    worse: gains.filter((gain) => gain < -least).length,
    differences,
  };
}

function stageTimes(pairs: readonly Pair[]): readonly StageTimes[] {
  const stages = [...new Set(pairs.flatMap(({ a, b }) => [...Object.keys(a.timings), ...Object.keys(b.timings)]))]
    .filter((stage) => stage !== 'totalMs')
    .map((stage) => [stage, ({ timings }: MetricsRecord) => timings[stage] ?? null] as const);
  const total = ['totalMs', ({ timings }: MetricsRecord) => photoMilliseconds(timings)] as const;
  return [...stages, total].flatMap(([stage, milliseconds]) => {
    const timed = pairs.flatMap(({ a, b }) => {
      const [one, other] = [milliseconds(a), milliseconds(b)];
      return one === null || other === null ? [] : [{ one, other }];
    });
    if (timed.length === 0) return [];
    return [
      {
        stage,
        n: timed.length,
        meanA: mean(timed.map(({ one }) => one)),
        meanB: mean(timed.map(({ other }) => other)),
      },
    ];
  });
}
