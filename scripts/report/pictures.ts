import { createHash } from 'node:crypto';
import type { Box } from '#image/box.ts';
import { isUnmaskedFace, type MetricsRecord } from '#pipeline/metrics-record.ts';
import { versionOf } from '#pipeline/photo.ts';
import type { Store } from '#pipeline/ports.ts';
import type { MakeThumbnails } from '#vision/thumbnail.ts';
import { faceView } from './face-view.ts';

/** Base64 of WebP. `faces` by index in the record; a picture that could not be made is missing. */
export type PhotoPictures = {
  readonly id: string;
  readonly still?: string | undefined;
  readonly faces: ReadonlyMap<number, { readonly before?: string | undefined; readonly after?: string | undefined }>;
};

export type PictureTools = {
  readonly results: Store;
  readonly photos?: Store | undefined;
  readonly thumbnails: MakeThumbnails;
  readonly earlier: ReadonlyMap<string, PhotoPictures>;
};

/**
 * Faces (and photos without an unmasked face) whose pictures go into the page: at 20 KB a pair, base64, 27 MB at the very most; usually
 * 12. The page shows the others from unmasked/.
 */
export const maxEmbedded = 1000;

/** A card is 240 to 300 CSS pixels wide. */
const side = 320;
/** Before and after: 20 KB together. */
const maxBytes = 10_000;
/** Two photos in memory: 50 megapixels decoded are 150 MB. */
const atOnce = 2;
/** Part of each picture's identity: raise it when pictures are made another way. */
const recipe = 1;

/**
 * Small pictures by photo key: before and after for each unmasked face, a still of each other photo that can be seen. Two GETs and two
 * decodes a photo, none where the earlier report has them.
 */
export async function takePictures(
  records: readonly MetricsRecord[],
  tools: PictureTools,
): Promise<ReadonlyMap<string, PhotoPictures>> {
  const pictures = new Map<string, PhotoPictures>();
  const waiting = embeddedRecords(records)[Symbol.iterator]();
  const worker = async () => {
    for (const record of waiting) pictures.set(record.photo.key, await picturesOf(record, tools));
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return pictures;
}

/** Photos with unmasked faces come first; a photo is taken whole or not at all. */
function embeddedRecords(records: readonly MetricsRecord[]): readonly MetricsRecord[] {
  const unmasked = records.filter(({ status }) => status === 'unmasked');
  const others = records.filter(({ status }) => status === 'bare' || status === 'no-face');
  let room = maxEmbedded;
  return [...unmasked, ...others].filter(({ photo, faces }) => {
    const needed = Math.max(1, faces.filter(isUnmaskedFace).length);
    if (photo.width === null || photo.height === null || needed > room) return false;
    room -= needed;
    return true;
  });
}

async function picturesOf(record: MetricsRecord, tools: PictureTools): Promise<PhotoPictures> {
  const { photo, unmasked, faces } = record;
  const { width, height } = photo;
  const size = { width: width ?? 0, height: height ?? 0 };
  const shown = unmasked ? faces.flatMap((face, index) => (isUnmaskedFace(face) ? [index] : [])) : [];
  const views = shown.flatMap((index) => faces[index] ?? []).map(({ box }) => faceView(box, size));
  const id = pictureId(record, views);
  const earlier = tools.earlier.get(id);
  const wholePhoto = [{ x: 0, y: 0, ...size }];

  if (!unmasked) {
    const [still] = earlier?.still === undefined ? await original(photo, size, wholePhoto, tools) : [earlier.still];
    return { id, still, faces: new Map() };
  }
  const known = shown.map((index) => earlier?.faces.get(index));
  const befores = known.every((face) => face?.before !== undefined) ? [] : await original(photo, size, views, tools);
  const afters = known.every((face) => face?.after !== undefined)
    ? []
    : await small((await tools.results.get(unmasked.key))?.bytes, size, views, tools);
  const pair = (order: number) => ({
    before: befores[order] ?? known[order]?.before,
    after: afters[order] ?? known[order]?.after,
  });
  return { id, faces: new Map(shown.map((index, order) => [index, pair(order)])) };
}

/** From the upload that the record is about: one that was replaced since shows somebody else's `before`. */
async function original(photo: MetricsRecord['photo'], size: Size, views: readonly Box[], tools: PictureTools) {
  const stored = await tools.photos?.get(photo.key, versionOf({ bucket: '', ...photo }));
  return small(stored?.etag === photo.etag ? stored.bytes : undefined, size, views, tools);
}

type Size = { readonly width: number; readonly height: number };

async function small(
  bytes: Uint8Array | undefined,
  size: Size,
  views: readonly Box[],
  { thumbnails }: PictureTools,
): Promise<readonly (string | undefined)[]> {
  const made = bytes && (await thumbnails(bytes, { ...size, views, side, maxBytes }));
  return made?.map((picture) => Buffer.from(picture).toString('base64')) ?? [];
}

function pictureId({ photo, unmasked }: MetricsRecord, views: readonly Box[]): string {
  const identity = JSON.stringify([
    recipe,
    photo.etag,
    unmasked?.sha256,
    views.map(({ x, y, width }) => [x, y, width]),
  ]);
  return createHash('sha256').update(identity).digest('hex').slice(0, 16);
}
