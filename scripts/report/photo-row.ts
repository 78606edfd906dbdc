import type { Box } from '#image/box.ts';
import {
  type FaceRecord,
  isUnmaskedFace,
  type MetricsRecord,
  type Quality,
  type ReasonCode,
  type Status,
} from '#pipeline/metrics-record.ts';
import { metricsKey, photoPath } from '#pipeline/photo.ts';
import { faceView } from './face-view.ts';
import type { PhotoPictures } from './pictures.ts';
import { relativeUrl } from './relative-url.ts';
import { shownName } from './shown-name.ts';

/** What the page knows of one photo; `report-data` in the page is a list of these. Base64 pictures are WebP. */
export type PhotoRow = {
  readonly name: string;
  readonly status: Status;
  readonly reason?: { readonly code: ReasonCode; readonly message: string };
  readonly width: number | null;
  readonly height: number | null;
  readonly format: string | null;
  readonly bytes: number;
  readonly milliseconds: number | null;
  readonly createdAt: string;
  readonly unmaskedUrl?: string;
  readonly metricsUrl?: string;
  readonly faceCount: number;
  /** The faces that were unmasked. */
  readonly faces: readonly FaceRow[];
  /** The photo itself, small, where no face was unmasked. */
  readonly still?: string;
  /** Names exactly what the pictures show, so that the next report can take them over. */
  readonly pictureId?: string;
};

export type FaceRow = {
  /** From 1, in the order of the record. */
  readonly number: number;
  readonly quality: Quality | null;
  readonly seam: number | null;
  readonly noiseSigma: number | null;
  readonly denoised: boolean;
  /** Whether there was a mask at all was a guess. */
  readonly unsure: boolean;
  readonly maskCoverage: number | null;
  readonly rollDegrees: number;
  readonly before?: string;
  readonly after?: string;
  /** Which square of the unmasked photo to show where no picture is embedded. */
  readonly view?: Box;
};

export function photoRow(record: MetricsRecord, pictures: PhotoPictures | undefined, linked = true): PhotoRow {
  const { status, reason, photo, unmasked, faces, timings, createdAt } = record;
  const { width, height, format, bytes } = photo;
  const unmaskedUrl = linked && unmasked ? relativeUrl(unmasked.key) : undefined;
  const metricsUrl = linked ? relativeUrl(metricsKey(photo.key)) : undefined;
  return {
    name: shownName(photoPath(photo.key)),
    status,
    ...(reason && { reason }),
    width,
    height,
    format,
    bytes,
    milliseconds: photoMilliseconds(timings),
    createdAt,
    ...(unmaskedUrl !== undefined && { unmaskedUrl }),
    ...(metricsUrl !== undefined && { metricsUrl }),
    faceCount: faces.length,
    faces: unmasked
      ? faces.flatMap((face, index) => (isUnmaskedFace(face) ? [faceRow(face, index, photo, pictures)] : []))
      : [],
    ...(pictures && { pictureId: pictures.id, ...(pictures.still !== undefined && { still: pictures.still }) }),
  };
}

function faceRow(
  face: FaceRecord,
  index: number,
  { width, height, format }: MetricsRecord['photo'],
  pictures: PhotoPictures | undefined,
): FaceRow {
  const { box, quality, seam, noiseSigma, denoised, unsure = false, maskCoverage, rollDegrees } = face;
  const { before, after } = pictures?.faces.get(index) ?? {};
  // No browser shows a TIFF.
  const linked = after === undefined && width !== null && height !== null && format !== 'tiff';
  return {
    number: index + 1,
    quality,
    seam,
    noiseSigma,
    denoised,
    unsure,
    maskCoverage,
    rollDegrees,
    ...(before !== undefined && { before }),
    ...(after !== undefined && { after }),
    ...(linked && { view: faceView(box, { width, height }) }),
  };
}

/** What the photo cost: `totalMs` where the record has it, else its stages added up; null where nothing was timed. */
export function photoMilliseconds({ totalMs, ...stages }: MetricsRecord['timings']): number | null {
  if (totalMs !== undefined) return totalMs;
  const milliseconds = Object.values(stages);
  return milliseconds.length === 0 ? null : milliseconds.reduce((total, value) => total + value, 0);
}
