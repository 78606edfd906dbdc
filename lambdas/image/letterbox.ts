import { createRaster, type Raster } from './raster.ts';
import { type Normalisation, tablesOf } from './tensor.ts';

/**
 * Fits the picture into the top-left corner of a `size` x `size` RGB raster; `padding` (0..1) is the grey of the rest. Averages over
 * areas where it shrinks, bilinear where it enlarges, at most fourfold. Coordinates in the letterbox times 1 / `scale` are
 * coordinates in the photo (measured from the top-left corner of the picture, not from its first pixel's centre).
 * About 7 ms for 1 megapixel, 50 ms for 12.
 */
export function letterbox(
  raster: Raster,
  size: number,
  padding = defaultPadding,
): { readonly raster: Raster; readonly scale: number } {
  const { width, height, scale } = sizeWithin(raster, size);
  const target = createRaster(size, size, 3);
  target.data.fill(greyByte(padding));
  resize(raster, width, height, (line, y) => writeBytes(line, target.data, y * size * 3));
  return { raster: target, scale };
}

/**
 * The letterbox as a network takes it, in one go: equal to `toTensor` of `letterbox`, without the raster between. Writes all of `tensor`
 * and returns the scale. // [1, 3, size, size]
 * @throws RangeError when the tensor's length does not fit the size.
 */
export function letterboxTensor(
  raster: Raster,
  size: number,
  normalisation: Normalisation,
  tensor: Float32Array,
): number {
  const plane = size * size;
  if (tensor.length !== 3 * plane) {
    throw new RangeError(`Expected ${3 * plane} floats for [1, 3, ${size}, ${size}] but received ${tensor.length}.`);
  }
  const { width, height, scale } = sizeWithin(raster, size);
  const [red, green, blue] = tablesOf(normalisation);
  const grey = greyByte(defaultPadding);
  if (width < size || height < size) {
    [red, green, blue].forEach((table, c) => {
      tensor.fill(table[grey]!, c * plane, (c + 1) * plane);
    });
  }
  resize(raster, width, height, (line, y) => {
    for (let x = 0, from = 0, to = y * size; x < width; x++, from += 3, to++) {
      tensor[to] = red[byteOf(line[from]!)]!;
      tensor[to + plane] = green[byteOf(line[from + 1]!)]!;
      tensor[to + 2 * plane] = blue[byteOf(line[from + 2]!)]!;
    }
  });
  return scale;
}

/** The whole picture in another size, RGB: averages over areas where it shrinks, bilinear where it enlarges. About 5 ns a source pixel. */
export function resizeRaster(raster: Raster, width: number, height: number): Raster {
  const target = createRaster(width, height, 3);
  resize(raster, width, height, (line, y) => writeBytes(line, target.data, y * width * 3));
  return target;
}

const defaultPadding = 0.5;

const greyByte = (padding: number): number => Math.floor(padding * 255 + 0.5);

/** Enlarging further shows a detector nothing new. */
const largestEnlargement = 4;

function sizeWithin({ width, height }: Raster, size: number) {
  const scale = Math.min(largestEnlargement, size / Math.max(width, height));
  const sideOf = (side: number) => Math.min(size, Math.max(1, Math.round(side * scale)));
  return { width: sideOf(width), height: sideOf(height), scale };
}

/** Which source pixels make up each target pixel along one axis: `count` of them from `first`, weighted; weights sum to 1. */
type Footprints = {
  readonly first: Int32Array;
  readonly count: Int32Array;
  readonly weights: Float32Array;
  readonly most: number;
};

function footprints(source: number, target: number): Footprints {
  const ratio = source / target;
  const most = Math.ceil(Math.max(1, ratio)) + 1;
  const first = new Int32Array(target);
  const count = new Int32Array(target);
  const weights = new Float32Array(target * most);
  for (let i = 0; i < target; i++) {
    // Shrinking: the area under the pixel. Enlarging: linear between the two nearest centres.
    const centre = (i + 0.5) * ratio;
    const half = Math.max(1, ratio) / 2;
    const from = Math.max(0, centre - half);
    const to = Math.min(source, centre + half);
    first[i] = Math.min(source - 1, Math.floor(from));
    for (let k = first[i]!; k < to && k < source; k++) {
      const covered = Math.min(k + 1, to) - Math.max(k, from);
      if (covered <= 1e-9) continue;
      weights[i * most + (k - first[i]!)] = covered / (to - from);
      count[i] = k - first[i]! + 1;
    }
  }
  return { first, count, weights, most };
}

/** Hands every line of the target, RGB floats interleaved, to `take`; the next line overwrites it. Sums up rows first, then columns. */
function resize(raster: Raster, width: number, height: number, take: (line: Float32Array, y: number) => void): void {
  const columns = footprints(raster.width, width);
  const rows = footprints(raster.height, height);
  const sums = new Float32Array(raster.width * raster.channels);
  const line = new Float32Array(width * 3);
  for (let y = 0; y < height; y++) {
    addRows(raster, rows, y, sums);
    addColumns(sums, raster.channels, columns, line);
    take(line, y);
  }
}

/** Weighted sum of the source rows of target row y. Up to three rows, all but strong reductions, take one pass. */
function addRows({ width, channels, data }: Raster, rows: Footprints, y: number, sums: Float32Array): void {
  const stride = width * channels;
  const count = rows.count[y]!;
  const weights = y * rows.most;
  const p0 = rows.first[y]! * stride;
  const p1 = p0 + stride;
  const p2 = p1 + stride;
  const w0 = rows.weights[weights]!;
  const w1 = count > 1 ? rows.weights[weights + 1]! : 0;
  const w2 = count > 2 ? rows.weights[weights + 2]! : 0;
  if (count === 1) for (let i = 0; i < stride; i++) sums[i] = w0 * data[p0 + i]!;
  else if (count === 2) for (let i = 0; i < stride; i++) sums[i] = w0 * data[p0 + i]! + w1 * data[p1 + i]!;
  else for (let i = 0; i < stride; i++) sums[i] = w0 * data[p0 + i]! + w1 * data[p1 + i]! + w2 * data[p2 + i]!;
  for (let k = 3; k < count; k++) {
    const weight = rows.weights[weights + k]!;
    const from = p0 + k * stride;
    for (let i = 0; i < stride; i++) sums[i] = sums[i]! + weight * data[from + i]!;
  }
}

function addColumns(sums: Float32Array, channels: number, columns: Footprints, line: Float32Array): void {
  const { first, count, weights, most } = columns;
  for (let x = 0, to = 0; x < first.length; x++, to += 3) {
    let red = 0;
    let green = 0;
    let blue = 0;
    const end = x * most + count[x]!;
    for (let at = x * most, from = first[x]! * channels; at < end; at++, from += channels) {
      const weight = weights[at]!;
      red += weight * sums[from]!;
      green += weight * sums[from + 1]!;
      blue += weight * sums[from + 2]!;
    }
    line[to] = red;
    line[to + 1] = green;
    line[to + 2] = blue;
  }
}

/** Rounded half up, clamped. */
function byteOf(value: number): number {
  return value >= 255 ? 255 : value > 0 ? (value + 0.5) | 0 : 0;
}

function writeBytes(line: Float32Array, bytes: Uint8Array, at: number): void {
  for (let i = 0; i < line.length; i++) bytes[at + i] = byteOf(line[i]!);
}
