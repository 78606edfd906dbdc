import { createHash } from 'node:crypto';
import { estimateNoiseSigma } from '#image/noise.ts';
import type { Raster } from '#image/raster.ts';
import { type Commit, commitRecord, doneBefore, isCurrent } from './commit-record.ts';
import type { Job } from './job.ts';
import { measureQuality, type Region } from './measure-quality.ts';
import type { FaceRecord, MetricsRecord } from './metrics-record.ts';
import { referenceKey, unmaskedKey, versionOf } from './photo.ts';
import { type PriceOf, plainRecord, untouchedFace } from './plain-record.ts';
import type { Clock, Codec, DecodedPhoto, Denoiser, PhotoHeader, Store, Unmasker } from './ports.ts';
import type { Processing } from './processing.ts';
import type { Reason } from './reason.ts';
import type { Status } from './status.ts';
import { createStopwatch, totalled } from './stopwatch.ts';
import { unmaskFace } from './unmask-face.ts';

export type UnmaskTools = {
  readonly photos: Store;
  readonly results: Store;
  readonly codec: Codec;
  readonly unmasker: Unmasker;
  readonly denoiser: Denoiser;
  readonly clock: Clock;
  readonly processing: Processing;
  readonly priceOf?: PriceOf;
  /** Do the work again although this job is done. */
  readonly force?: boolean;
};

type Stage = 'decodeMs' | 'denoiseMs' | 'unmaskMs' | 'pasteMs' | 'qualityMs' | 'encodeMs';

/**
 * Second step: restores every masked face of a queued photo, writes unmasked/<key>, then commits metrics/<key>.json. Doing it twice is
 * harmless. Expected outcomes are returned; what throws is transient or a bug, and goes back to the queue.
 */
export async function unmaskPhoto(job: Job, tools: UnmaskTools): Promise<Commit> {
  const { photos, results, codec, denoiser, clock, processing, priceOf, force = false } = tools;
  const { jobId, photo } = job;
  const earlier = force ? undefined : await doneBefore(jobId, photo.key, results);
  if (earlier) return { outcome: 'exists', record: earlier };

  const stopwatch = createStopwatch<Stage>(clock);
  const { time } = stopwatch;
  const timings = () => totalled(job.timings, stopwatch.timings());
  const settle = (status: Status, header?: PhotoHeader, reason?: Reason) => {
    const { faces } = job;
    const record = plainRecord({
      jobId,
      photo,
      header,
      status,
      reason,
      faces,
      processing,
      clock,
      timings: timings(),
      priceOf,
    });
    return commitRecord(record, photo, { photos, results }, { force });
  };

  const stored = await photos.get(photo.key, versionOf(photo));
  if (!stored)
    return settle('rejected', undefined, {
      code: 'unreadable',
      message: 'The photo could not be read: it is gone, or may not be opened.',
    });
  const decoded = await time('decodeMs', () => codec.decode(stored.bytes));
  if ('rejected' in decoded) return settle('rejected', undefined, decoded.rejected);

  const cleaned =
    processing.denoise === 'photo'
      ? await time('denoiseMs', () => denoisedIfNoisy(decoded.raster, denoiser))
      : decoded.raster;
  const { raster, faces, regions } = await unmaskFaces(cleaned, job, tools, time);
  if (regions.length === 0) {
    return settle('bare', decoded, {
      code: 'no-region',
      message: 'A mask was suspected, but the unmasker found none to take off.',
    });
  }
  const reference = await readReference(decoded, photo.key, tools);
  const qualities =
    'raster' in reference
      ? await time('qualityMs', () =>
          measureQuality(
            raster,
            reference.raster,
            regions.map(({ region }) => region),
          ),
        )
      : [];
  const unmasked = await time('encodeMs', () => codec.encode(raster, decoded));

  const key = unmaskedKey(photo.key);
  const record: MetricsRecord = {
    ...plainRecord({
      jobId,
      photo,
      header: decoded,
      status: 'unmasked',
      reason: 'reason' in reference ? reference.reason : undefined,
      processing,
      clock,
      timings: timings(),
      priceOf,
    }),
    unmasked: { key, bytes: unmasked.length, sha256: createHash('sha256').update(unmasked).digest('hex') },
    faces: faces.map((face, index) => {
      const measured = qualities[regions.findIndex((region) => region.face === index)];
      return measured ? { ...face, quality: measured } : face;
    }),
  };
  if (!(await isCurrent(photo, photos))) return { outcome: 'superseded', record };
  await results.put(key, unmasked, { contentType: `image/${decoded.format}` });
  return commitRecord(record, photo, { photos, results }, { force });
}

type FaceRegion = { readonly face: number; readonly region: Region };

async function unmaskFaces(
  photo: Raster,
  { jobId, faces }: Job,
  { unmasker, denoiser, processing: { denoise } }: UnmaskTools,
  time: ReturnType<typeof createStopwatch<Stage>>['time'],
): Promise<{
  readonly raster: Raster;
  readonly faces: readonly FaceRecord[];
  readonly regions: readonly FaceRegion[];
}> {
  const seed = Number.parseInt(jobId.slice(0, 8), 16);
  const records: FaceRecord[] = [];
  const regions: FaceRegion[] = [];
  let raster = photo;
  for (const [index, face] of faces.entries()) {
    if (!face.masked) {
      records.push(untouchedFace(face));
      continue;
    }
    const restored = await unmaskFace(raster, face, { unmasker, denoiser, denoise, seed: seed + index, time });
    records.push(restored.face);
    if (restored.face.seam === null) continue;
    raster = restored.raster;
    regions.push({ face: index, region: restored.region });
  }
  return { raster, faces: records, regions };
}

async function denoisedIfNoisy(raster: Raster, denoiser: Denoiser): Promise<Raster> {
  return estimateNoiseSigma(raster) > denoiser.sigmaThreshold ? denoiser.denoise(raster) : raster;
}

/** The person without the mask, in the same framing, if somebody gave one. A reference that cannot be compared is said, not guessed around. */
async function readReference(
  photo: DecodedPhoto,
  key: string,
  { photos, codec }: UnmaskTools,
): Promise<{ readonly raster: Raster } | { readonly reason?: Reason }> {
  const stored = await photos.get(referenceKey(key));
  if (!stored) return {};
  const decoded = await codec.decode(stored.bytes);
  const unusable = (message: string) => ({ reason: { code: 'reference-unusable', message } as const });
  if ('rejected' in decoded)
    return unusable(`No quality was measured: the reference was rejected. ${decoded.rejected.message}`);
  const { width, height } = decoded;
  if (width !== photo.width || height !== photo.height) {
    return unusable(
      `No quality was measured: the reference is ${width}x${height} pixels, the photo ${photo.width}x${photo.height}.`,
    );
  }
  return { raster: decoded.raster };
}
