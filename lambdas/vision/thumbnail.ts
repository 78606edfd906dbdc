import sharp, { type OutputInfo, type Region } from 'sharp';
import type { Box } from '#image/box.ts';

export type ThumbnailOptions = {
  /** Size of the upright photo. Bytes that hold another size have no thumbnails: the views would show something else. */
  readonly width: number;
  readonly height: number;
  /** Parts of the upright photo, in its whole pixels, inside it. */
  readonly views: readonly Box[];
  /** Pixels of a thumbnail's longer side, at most; a smaller view is not enlarged. */
  readonly side: number;
  /** Bytes of a thumbnail, at most. */
  readonly maxBytes: number;
};

/** One small picture (WebP, upright, sRGB, no metadata) per view, in order; undefined when the bytes cannot be decoded. */
export type MakeThumbnails = (
  bytes: Uint8Array,
  options: ThumbnailOptions,
) => Promise<readonly Uint8Array[] | undefined>;

/** Tried in this order until one fits; a face at 30 is still a face. */
const qualities = [78, 60, 45, 30];

/** Decodes once, no larger than the smallest view needs: a JPEG is then shrunk while it is read. 5 to 40 ms a photo. */
export const makeThumbnails: MakeThumbnails = async (bytes, { width, height, views, side, maxBytes }) => {
  const needed = Math.max(0, ...views.map((view) => side / Math.max(view.width, view.height)));
  const scale = Math.min(1, needed);
  const size = { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
  const decoded = await decode(bytes, { width, height }, size);
  if (!decoded) return undefined;
  const { data, info } = decoded;
  const raw = { width: info.width, height: info.height, channels: info.channels };
  return Promise.all(
    views.map(async (view) => {
      const part = scaledView(view, { width, height }, size);
      const cut = await sharp(data, { raw })
        .extract(part)
        .resize({ width: side, height: side, fit: 'inside', withoutEnlargement: true })
        .raw()
        .toBuffer({ resolveWithObject: true });
      return fitting(cut, maxBytes);
    }),
  );
};

type Size = { readonly width: number; readonly height: number };
type Pixels = { readonly data: Buffer; readonly info: OutputInfo };

async function decode(bytes: Uint8Array, expected: Size, size: Size): Promise<Pixels | undefined> {
  try {
    const { autoOrient } = await sharp(bytes).metadata();
    if (autoOrient.width !== expected.width || autoOrient.height !== expected.height) return undefined;
    return await sharp(bytes, { failOn: 'error' })
      .autoOrient()
      .flatten({ background: '#808080' })
      .resize({ ...size, fit: 'fill' })
      .toColourspace('srgb')
      .raw()
      .toBuffer({ resolveWithObject: true });
  } catch {
    // Whatever sharp says about bytes that it cannot read, the answer is the same: no picture of them.
    return undefined;
  }
}

function scaledView({ x, y, width, height }: Box, photo: Size, size: Size): Region {
  const left = Math.min(size.width - 1, Math.round((x * size.width) / photo.width));
  const top = Math.min(size.height - 1, Math.round((y * size.height) / photo.height));
  return {
    left,
    top,
    width: Math.max(1, Math.min(size.width - left, Math.round((width * size.width) / photo.width))),
    height: Math.max(1, Math.min(size.height - top, Math.round((height * size.height) / photo.height))),
  };
}

/** Quality goes down first, then the size. */
async function fitting({ data, info }: Pixels, maxBytes: number): Promise<Uint8Array> {
  const raw = { width: info.width, height: info.height, channels: info.channels };
  for (let side = Math.max(info.width, info.height); ; side = Math.floor(side * 0.75)) {
    for (const quality of qualities) {
      const picture = await sharp(data, { raw })
        .resize({ width: side, height: side, fit: 'inside', withoutEnlargement: true })
        .webp({ quality, effort: 4 })
        .toBuffer();
      if (picture.length <= maxBytes || side < 8) return picture;
    }
  }
}
