import { createHash } from 'node:crypto';
import { estimateNoiseSigma } from '#image/noise.ts';
import type { Raster } from '#image/raster.ts';
import { type Commit, commitRecord, doneBefore, isCurrent, readEarlier } from './commit-record.ts';
import type { Face } from './face.ts';
import type { InTurn } from './in-turn.ts';
import type { Job } from './job.ts';
import { measureQuality, type Region } from './measure-quality.ts';
import type { FaceRecord, MetricsRecord } from './metrics-record.ts';
import { isDeleted, referenceKey, unmaskedKey, versionOf } from './photo.ts';
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
  /** Where photos are in work side by side: has their pixels, but not their fetching and storing, one after the other. Default: no. */
  readonly inTurn?: InTurn;
};

type Stage = 'decodeMs' | 'denoiseMs' | 'unmaskMs' | 'pasteMs' | 'qualityMs' | 'encodeMs';

/**
 * Second step: restores every masked face of a queued photo, writes unmasked/<key>, then commits metrics/<key>.json. Doing it twice is
 * harmless. Expected outcomes are returned; what throws is transient or a bug, and goes back to the queue.
 */
export async function unmaskPhoto(job: Job, tools: UnmaskTools): Promise<Commit> {
  const { photos, results, force = false, inTurn = (work) => work() } = tools;
  const { jobId, photo } = job;
  // Side by side: a function is billed while it waits.
  const [earlier, stored, reference] = await Promise.all([
    readEarlier(photo.key, results),
    photos.get(photo.key, versionOf(photo)),
    photos.get(referenceKey(photo.key)),
  ]);
  const done = force ? undefined : doneBefore(jobId, earlier);
  if (done) return { outcome: 'exists', record: done };

  const { record, unmasked, isNewest } = await inTurn(() => restorePhoto(job, stored?.bytes, reference?.bytes, tools));
  if (!isNewest) return { outcome: 'superseded', record };
  if (unmasked) await results.put(unmaskedKey(photo.key), unmasked.bytes, { contentType: unmasked.contentType });
  return commitRecord(record, photo, { photos, results }, { force, read: { earlier } });
}

type RestoredPhoto = {
  readonly record: MetricsRecord;
  /** Absent when no pixel was to be changed. */
  readonly unmasked?: { readonly bytes: Uint8Array; readonly contentType: string };
  /** Whether the key still holds this photo; asked for only where something would be overwritten. */
  readonly isNewest: boolean;
};

/** From the stored bytes to those to store, and the record of it. Holds the photo's pixels no longer than that. */
async function restorePhoto(
  job: Job,
  photoBytes: Uint8Array | undefined,
  referenceBytes: Uint8Array | undefined,
  tools: UnmaskTools,
): Promise<RestoredPhoto> {
  const { photos, codec, denoiser, clock, processing, priceOf } = tools;
  const { jobId, photo } = job;
  const stopwatch = createStopwatch<Stage>(clock);
  const { time } = stopwatch;
  const recordOf = (status: Status, header?: PhotoHeader, reason?: Reason, faces?: readonly Face[]) => {
    const timings = totalled(job.timings, stopwatch.timings());
    return plainRecord({ jobId, photo, header, status, reason, faces, processing, clock, timings, priceOf });
  };
  const unchanged = (status: Status, reason: Reason, header?: PhotoHeader) =>
    ({ record: recordOf(status, header, reason, job.faces), isNewest: true }) as const;

  if (!photoBytes) {
    const message = 'The photo could not be read: it is gone, or may not be opened.';
    return { ...unchanged('rejected', { code: 'unreadable', message }), isNewest: !isDeleted(photo, photoBytes) };
  }
  const decoded = await time('decodeMs', () => codec.decode(photoBytes));
  if ('rejected' in decoded) return unchanged('rejected', decoded.rejected);

  const cleaned =
    processing.denoise === 'photo'
      ? await time('denoiseMs', () => denoisedIfNoisy(decoded.raster, denoiser))
      : decoded.raster;
  const { raster, faces, regions } = await unmaskFaces(cleaned, job, tools, time);
  if (regions.length === 0) {
    const message = 'A mask was suspected, but the unmasker found none to take off.';
    return unchanged('bare', { code: 'no-region', message }, decoded);
  }
  const reference = await readReference(decoded, referenceBytes, codec);
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
  const [bytes, isNewest] = await Promise.all([
    time('encodeMs', () => codec.encode(raster, decoded)),
    isCurrent(photo, photos),
  ]);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const record: MetricsRecord = {
    ...recordOf('unmasked', decoded, 'reason' in reference ? reference.reason : undefined),
    unmasked: { key: unmaskedKey(photo.key), bytes: bytes.length, sha256 },
    faces: faces.map((face, index) => {
      const measured = qualities[regions.findIndex((region) => region.face === index)];
      return measured ? { ...face, quality: measured } : face;
    }),
  };
  return { record, unmasked: { bytes, contentType: `image/${decoded.format}` }, isNewest };
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
  bytes: Uint8Array | undefined,
  codec: Codec,
): Promise<{ readonly raster: Raster } | { readonly reason?: Reason }> {
  if (!bytes) return {};
  const decoded = await codec.decode(bytes);
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
