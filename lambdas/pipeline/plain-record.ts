import { type Face, rollDegrees } from './face.ts';
import type { FaceRecord, MetricsRecord } from './metrics-record.ts';
import type { PhotoReference } from './photo.ts';
import type { Clock, PhotoHeader } from './ports.ts';
import type { Processing } from './processing.ts';
import type { Reason } from './reason.ts';
import type { Status } from './status.ts';

/** USD for a photo whose stages took so long; absent where nobody is billed. */
export type PriceOf = (totalMs: number) => number;

type PlainRecord = {
  readonly jobId: string;
  readonly photo: PhotoReference;
  readonly header?: PhotoHeader | undefined;
  readonly status: Status;
  readonly reason?: Reason | undefined;
  readonly faces?: readonly Face[] | undefined;
  readonly processing: Processing;
  readonly clock: Clock;
  readonly timings?: MetricsRecord['timings'];
  readonly priceOf?: PriceOf | undefined;
};

/** The record of a photo whose pixels were not changed. */
export function plainRecord(what: PlainRecord): MetricsRecord {
  const { jobId, photo, header, status, reason, faces = [], processing, clock, timings = {}, priceOf } = what;
  return {
    schemaVersion: 1,
    jobId,
    status,
    ...(reason && { reason }),
    photo: {
      key: photo.key,
      ...(photo.versionId !== undefined && { versionId: photo.versionId }),
      etag: photo.etag,
      bytes: photo.bytes,
      width: header?.width ?? null,
      height: header?.height ?? null,
      format: header?.format ?? null,
    },
    faces: faces.map(untouchedFace),
    model: processing.unmasker,
    timings,
    cost: priceOf && timings.totalMs !== undefined ? { usd: priceOf(timings.totalMs) } : null,
    createdAt: clock.now().toISOString(),
  };
}

/** The record of a face that was left as it is: localised, nothing measured under it. */
export function untouchedFace(face: Face): FaceRecord {
  return {
    box: face.box,
    score: face.score,
    masked: face.masked,
    maskProbability: face.maskProbability,
    ...(face.unsure && { unsure: true }),
    rollDegrees: rollDegrees(face),
    maskCoverage: null,
    noiseSigma: null,
    denoised: false,
    quality: null,
    seam: null,
  };
}
