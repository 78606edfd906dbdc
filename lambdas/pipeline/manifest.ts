import { z } from 'zod';
import type { MetricsRecord } from './metrics-record.ts';
import { statuses } from './status.ts';

export const manifestKey = 'manifest/manifest.json';

const mean = z.number().nullable().describe('null when nothing was measured');
const count = z.int().nonnegative();

export const manifestSchema = z.strictObject({
  schemaVersion: z.literal(1),
  counts: z.record(z.enum(statuses), count).describe('Photos by status; newest version of each key'),
  updatedAt: z.iso.datetime(),
  segments: z.array(z.strictObject({ key: z.string(), sha256: z.string(), records: count })),
  aggregates: z.strictObject({
    photos: count,
    faces: count,
    facesUnmasked: count,
    meanPsnr: mean,
    meanSsim: mean,
    meanRegionPsnr: mean,
    meanRegionSsim: mean,
    meanTotalMs: mean,
  }),
});

/** The pointer at manifest/manifest.json: small, a cache that can be rebuilt from metrics/ at any time. */
export type Manifest = Readonly<z.infer<typeof manifestSchema>>;
export type Segment = Manifest['segments'][number];

/** The published JSON Schema of manifest.json (draft 2020-12). */
export function manifestJsonSchema(): object {
  return z.toJSONSchema(manifestSchema);
}

/** @throws Error when the bytes are no manifest of this version. */
export function parseManifest(bytes: Uint8Array): Manifest {
  try {
    return manifestSchema.parse(JSON.parse(new TextDecoder().decode(bytes)));
  } catch (cause) {
    throw new Error('Expected a manifest of schemaVersion 1.', { cause });
  }
}

/** The newest record of each photo key: later `createdAt` wins, then the later in the list. */
export function newestByKey(records: Iterable<MetricsRecord>): Map<string, MetricsRecord> {
  const newest = new Map<string, MetricsRecord>();
  for (const record of records) {
    const known = newest.get(record.photo.key);
    if (!known || record.createdAt >= known.createdAt) newest.set(record.photo.key, record);
  }
  return newest;
}

/** Counts and means over the newest record of each key. */
export function summarise(records: Iterable<MetricsRecord>): Pick<Manifest, 'counts' | 'aggregates'> {
  const photos = [...newestByKey(records).values()];
  const counts: Manifest['counts'] = { unmasked: 0, bare: 0, 'no-face': 0, rejected: 0, failed: 0 };
  for (const { status } of photos) counts[status]++;
  const faces = photos.flatMap((photo) => photo.faces);
  const qualities = faces.flatMap(({ quality }) => quality ?? []);
  return {
    counts,
    aggregates: {
      photos: photos.length,
      faces: faces.length,
      facesUnmasked: faces.filter(({ seam }) => seam !== null).length,
      meanPsnr: meanOf(qualities.map(({ psnr }) => psnr)),
      meanSsim: meanOf(qualities.map(({ ssim }) => ssim)),
      meanRegionPsnr: meanOf(qualities.map(({ regionPsnr }) => regionPsnr)),
      meanRegionSsim: meanOf(qualities.map(({ regionSsim }) => regionSsim)),
      meanTotalMs: meanOf(photos.map(({ timings }) => timings.totalMs ?? null)),
    },
  };
}

function meanOf(values: readonly (number | null)[]): number | null {
  const measured = values.filter((value) => value !== null);
  return measured.length === 0 ? null : measured.reduce((sum, value) => sum + value, 0) / measured.length;
}
