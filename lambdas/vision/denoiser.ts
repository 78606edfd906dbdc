import { createRaster, type Raster } from '#image/raster.ts';
import { toTensor } from '#image/tensor.ts';
import type { Denoiser } from '#pipeline/ports.ts';
import type { Model } from './model.ts';
import { createTensorPool } from './tensor-pool.ts';

/**
 * Denoises rasters of any size in overlapping tiles of the network's size. Neighbouring tiles are cross-faded over `overlap` pixels in the
 * middle of what they share, so no seam shows; smaller rasters are padded with their edge. One network run per tile of 224x224 fresh pixels.
 */
export function createDenoiser(model: Model): Denoiser {
  const [input] = model.description.inputs;
  const [, , tileHeight, tileWidth] = input.shape;
  const { sigmaThreshold, overlap } = readParameters(model);
  const withTensor = createTensorPool(3 * tileHeight * tileWidth);

  return {
    model: model.identity,
    sigmaThreshold,
    async denoise(raster) {
      const { width, height, channels } = raster;
      const columns = placeTiles(width, tileWidth, overlap);
      const rows = placeTiles(height, tileHeight, overlap);
      const out = raster.data.slice();
      // Float sums of one row of tiles, so that memory does not grow with the photo's height.
      let above: { readonly start: number; readonly data: Float32Array } | undefined;
      for (const row of rows) {
        const band = new Float32Array(tileHeight * width * 3);
        for (const column of columns) {
          const tile = cutTile(raster, column.start, row.start, tileWidth, tileHeight);
          const { denoised } = await withTensor((tensor) => model.run(toTensor(tile, input, tensor))); // [1, 3, 256, 256]
          if (!denoised) {
            throw new Error(`Expected output denoised of ${model.identity.name}, as models.json says.`);
          }
          addColumn(band, width, denoised, column, tileWidth, tileHeight);
        }
        const end = Math.min(row.start + tileHeight, height);
        for (let y = row.fadeInFrom; y < Math.min(row.fadeOutTo, end); y += 1) {
          const share = fadeIn(y, row);
          if (share >= 1 && y >= row.fadeOutFrom) {
            continue; // the next row of tiles mixes these
          }
          writeLine(out, channels, width, y, band, row.start, share < 1 ? above : undefined, share);
        }
        above = { start: row.start, data: band };
      }
      return createRaster(width, height, channels, out);
    },
  };
}

/** Where a tile begins and over which pixels it fades in from the one before and out into the next; [from, to) in pixels of the raster. */
type Placed = {
  readonly start: number;
  readonly fadeInFrom: number;
  readonly fadeInTo: number;
  readonly fadeOutFrom: number;
  readonly fadeOutTo: number;
};

/** Tiles spread evenly along `length`; each shares at least `overlap` pixels with the next and fades over exactly `overlap` of them. */
function placeTiles(length: number, tile: number, overlap: number): readonly Placed[] {
  const count = Math.max(1, Math.ceil((length - overlap) / (tile - overlap)));
  const starts = Array.from({ length: count }, (_, index) =>
    count === 1 ? 0 : Math.round((index * (length - tile)) / (count - 1)),
  );
  const fades = starts.slice(1).map((start, index) => {
    const middle = Math.floor((start + starts[index]! + tile) / 2);
    return { from: middle - Math.floor(overlap / 2), to: middle - Math.floor(overlap / 2) + overlap };
  });
  return starts.map((start, index) => ({
    start,
    fadeInFrom: fades[index - 1]?.from ?? 0,
    fadeInTo: fades[index - 1]?.to ?? 0,
    fadeOutFrom: fades[index]?.from ?? length,
    fadeOutTo: fades[index]?.to ?? length,
  }));
}

/** 0..1 over the pixels where a tile fades in, sampled at pixel centres; it and its neighbour's `1 - share` add up to one. */
function fadeIn(at: number, { fadeInFrom, fadeInTo }: Placed): number {
  return at >= fadeInTo ? 1 : (at - fadeInFrom + 0.5) / (fadeInTo - fadeInFrom);
}

function fadeOut(at: number, { fadeOutFrom, fadeOutTo }: Placed): number {
  return at < fadeOutFrom ? 1 : 1 - (at - fadeOutFrom + 0.5) / (fadeOutTo - fadeOutFrom);
}

function cutTile(
  { width, height, channels, data }: Raster,
  left: number,
  top: number,
  tileWidth: number,
  tileHeight: number,
): Raster {
  const out = new Uint8Array(tileWidth * tileHeight * 3);
  for (let y = 0, to = 0; y < tileHeight; y += 1) {
    const line = Math.min(top + y, height - 1) * width;
    for (let x = 0; x < tileWidth; x += 1, to += 3) {
      const from = (line + Math.min(left + x, width - 1)) * channels;
      out[to] = data[from]!;
      out[to + 1] = data[from + 1]!;
      out[to + 2] = data[from + 2]!;
    }
  }
  return createRaster(tileWidth, tileHeight, 3, out);
}

/** Adds a tile's share of every pixel to the band (interleaved, 0..1). */
function addColumn(
  band: Float32Array,
  width: number,
  tile: Float32Array,
  column: Placed,
  tileWidth: number,
  tileHeight: number,
): void {
  const plane = tileWidth * tileHeight;
  for (let x = column.fadeInFrom; x < Math.min(column.fadeOutTo, width); x += 1) {
    const share = Math.min(fadeIn(x, column), fadeOut(x, column));
    for (let y = 0; y < tileHeight; y += 1) {
      const from = y * tileWidth + x - column.start;
      const to = (y * width + x) * 3;
      band[to] = band[to]! + share * tile[from]!;
      band[to + 1] = band[to + 1]! + share * tile[from + plane]!;
      band[to + 2] = band[to + 2]! + share * tile[from + 2 * plane]!;
    }
  }
}

function writeLine(
  out: Uint8Array,
  channels: number,
  width: number,
  y: number,
  band: Float32Array,
  start: number,
  above: { readonly start: number; readonly data: Float32Array } | undefined,
  share: number,
): void {
  for (let x = 0; x < width; x += 1) {
    const to = (y * width + x) * channels;
    for (let channel = 0; channel < 3; channel += 1) {
      const here = band[((y - start) * width + x) * 3 + channel]!;
      const value = above
        ? share * here + (1 - share) * above.data[((y - above.start) * width + x) * 3 + channel]!
        : here;
      out[to + channel] = Math.min(Math.max(Math.floor(value * 255 + 0.5), 0), 255);
    }
  }
}

function readParameters({ description: { name, parameters, inputs } }: Model): {
  sigmaThreshold: number;
  overlap: number;
} {
  const { sigmaThreshold, overlap } = parameters;
  const side = Math.min(inputs[0].shape[2], inputs[0].shape[3]);
  if (typeof sigmaThreshold !== 'number' || typeof overlap !== 'number' || overlap < 1 || overlap > side / 2) {
    throw new Error(`Expected parameters sigmaThreshold and overlap (1 to ${side / 2}) of ${name} in models.json.`);
  }
  return { sigmaThreshold, overlap };
}
