import type { Box } from './box.ts';
import { applySimilarity, invertSimilarity, type Similarity, similarityScale } from './geometry.ts';
import type { Plane, Raster } from './raster.ts';
import { createKernel, floatField, sampleColours } from './resample.ts';

/**
 * What makes the edges of a picture steeper: 1.5 times the difference to its blurred self (weights 1 2 1), but no pixel is led beyond the
 * darkest and brightest of its 3x3 neighbours, so that no halo arises. RGB floats to add, interleaved; nothing outside the box, which has
 * to lie within the picture. About 40 ns a pixel of the box.
 */
export function edgeDetail(picture: Raster, box: Box = wholeOf(picture)): Float32Array {
  const { width, height } = picture;
  const detail = new Float32Array(height * width * 3);
  const length = box.width * 3;
  // Each row's neighbours along x are looked at once, for the three rows that they are near.
  const rows = createRowSummaries(length);
  const { value, sum, least, most } = rows;
  const placeOf = (y: number) => (Math.min(height - 1, Math.max(0, y)) % 3) * length;
  for (let y = Math.max(0, box.y - 1); y <= box.y; y++) summariseRow(picture, y, box, rows, placeOf(y));
  for (let y = box.y; y < box.y + box.height; y++) {
    if (y + 1 < height) summariseRow(picture, y + 1, box, rows, placeOf(y + 1));
    const [above, here, below, start] = [placeOf(y - 1), placeOf(y), placeOf(y + 1), (y * width + box.x) * 3];
    for (let i = 0; i < length; i++) {
      const own = value[here + i]!;
      const blurred = sum[above + i]! + 2 * sum[here + i]! + sum[below + i]!; // 16 times what it is
      const sharper = 32 * own + 48 * own - 3 * blurred; // own + 1.5 (own - blurred), 32 times what it is: integers alone
      const dark = lesser(lesser(least[above + i]!, least[here + i]!), least[below + i]!);
      const bright = greater(greater(most[above + i]!, most[here + i]!), most[below + i]!);
      detail[start + i] = (lesser(greater(sharper, 32 * dark), 32 * bright) - 32 * own) / 32;
    }
  }
  return detail;
}

/** Of two integers, without a branch: which of two neighbours is darker cannot be foreseen, and a wrong guess costs more than all else. */
const lesser = (a: number, b: number): number => b + ((a - b) & ((a - b) >> 31));
const greater = (a: number, b: number): number => a - ((a - b) & ((a - b) >> 31));

const wholeOf = ({ width, height }: Raster): Box => ({ x: 0, y: 0, width, height });

/**
 * RGB values of three rows, one after the other, and for each what it and its neighbours to the left and right are: their sum weighted
 * 1 2 1, the least and the most.
 */
type RowSummaries = {
  readonly value: Uint8Array;
  readonly sum: Uint16Array;
  readonly least: Uint8Array;
  readonly most: Uint8Array;
};

function createRowSummaries(length: number): RowSummaries {
  const bytes = () => new Uint8Array(3 * length);
  return { value: bytes(), sum: new Uint16Array(3 * length), least: bytes(), most: bytes() };
}

function summariseRow(picture: Raster, y: number, box: Box, summaries: RowSummaries, place: number): void {
  const { width, channels, data } = picture;
  const { value, sum, least, most } = summaries;
  const start = y * width * channels;
  const last = start + width * channels;
  for (let c = 0; c < 3; c++) {
    let at = start + box.x * channels + c;
    let before = data[at > start + 2 ? at - channels : at]!;
    let here = data[at]!;
    for (let i = place + c; i < place + 3 * box.width; i += 3) {
      at += channels;
      const after = at < last ? data[at]! : here;
      value[i] = here;
      sum[i] = before + 2 * here + after;
      least[i] = lesser(lesser(before, after), here);
      most[i] = greater(greater(before, after), here);
      before = here;
      here = after;
    }
  }
}

/** More than the detail itself is never added. */
const mostAmount = 1;

/** Rows and columns of the photo that are compared: enough for a steady figure. */
const linesCompared = 160;

/** Pixels of the crop between the compared ones and the region. */
const clearance = 3;

/** Pixels beside the compared ones, more than a kernel reads. */
const margin = 4;

/** Where the aligned face lies in the crop, as shares of its side, eyes and glasses included: they have the edges. */
const face = { x: 0.5, y: 0.47, radiusX: 0.26, radiusY: 0.36 };

/** The pixels of a crop of which `fittingAmount` needs the detail. */
export function comparedFace({ width, height }: Raster): Box {
  const x = Math.max(0, Math.floor((face.x - face.radiusX) * width) - margin);
  const y = Math.max(0, Math.floor((face.y - face.radiusY) * height) - margin);
  const bottom = Math.min(height, Math.ceil((face.y + face.radiusY) * height) + margin);
  return { x, y, width: width - 2 * x, height: bottom - y };
}

/**
 * How much of `detail` brings the enlarged crop nearest to its photo, 0..1, by least squares over the visible part of the face: there the
 * photo itself shows what the crop has lost. Noise and pores do not raise it, for the crop's edges do not predict them. About 1.5 ms.
 */
export function fittingAmount(
  photo: Raster,
  crop: Raster,
  detail: Float32Array,
  region: Plane,
  photoToCrop: Similarity,
): number {
  const { width, height } = crop;
  const kernel = createKernel(similarityScale(photoToCrop));
  const enlarged = floatField({ width, height, data: coloursOf(crop) }, 3, 1);
  const details = floatField({ width, height, data: detail }, 3, 1);
  const window = windowOf(crop, photoToCrop, photo);
  const stepX = Math.max(1, Math.floor((window.right - window.left) / linesCompared));
  const stepY = Math.max(1, Math.floor((window.bottom - window.top) / linesCompared));
  const count = Math.max(0, Math.floor((window.right - window.left) / stepX));
  const colours = new Float32Array(count * 3);
  const steeper = new Float32Array(count * 3);
  let products = 0;
  let squares = 0;
  for (let y = window.top; y < window.bottom; y += stepY) {
    const start = applySimilarity(photoToCrop, { x: window.left, y });
    const [du, dv] = [photoToCrop.a * stepX, photoToCrop.b * stepX];
    const isSeen = (i: number) => isVisibleFace(start.x + i * du, start.y + i * dv, region);
    let first = 0;
    let end = count;
    while (first < end && !isSeen(first)) first++;
    while (end > first && !isSeen(end - 1)) end--;
    const line = { u: start.x + first * du, v: start.y + first * dv, du, dv, count: end - first };
    sampleColours(enlarged, kernel, line, colours);
    sampleColours(details, kernel, line, steeper);
    for (let i = 0; i < line.count; i++) {
      if (!isSeen(first + i)) continue;
      const from = (y * photo.width + window.left + (first + i) * stepX) * photo.channels;
      for (let c = 0; c < 3; c++) {
        const change = steeper[i * 3 + c]!;
        products += change * (photo.data[from + c]! - colours[i * 3 + c]!);
        squares += change * change;
      }
    }
  }
  return squares > 0 ? Math.min(mostAmount, Math.max(0, products / squares)) : 0;
}

function coloursOf({ width, height, channels, data }: Raster): Float32Array {
  const colours = new Float32Array(width * height * 3);
  for (let from = 0, to = 0; to < colours.length; from += channels, to += 3) {
    colours[to] = data[from]!;
    colours[to + 1] = data[from + 1]!;
    colours[to + 2] = data[from + 2]!;
  }
  return colours;
}

/** Whole pixels of the photo under the crop; right and bottom are beyond the last. */
function windowOf({ width, height }: Raster, photoToCrop: Similarity, photo: Raster) {
  const inverse = invertSimilarity(photoToCrop);
  const corners = [0, width - 1].flatMap((x) => [0, height - 1].map((y) => applySimilarity(inverse, { x, y })));
  const [xs, ys] = [corners.map(({ x }) => x), corners.map(({ y }) => y)];
  return {
    left: Math.max(0, Math.ceil(Math.min(...xs))),
    top: Math.max(0, Math.ceil(Math.min(...ys))),
    right: Math.min(photo.width, Math.floor(Math.max(...xs)) + 1),
    bottom: Math.min(photo.height, Math.floor(Math.max(...ys)) + 1),
  };
}

function isVisibleFace(x: number, y: number, { width, height, data }: Plane): boolean {
  if (x < clearance || y < clearance || x >= width - clearance - 1 || y >= height - clearance - 1) return false;
  if (((x / width - face.x) / face.radiusX) ** 2 + ((y / height - face.y) / face.radiusY) ** 2 > 1) return false;
  const at = Math.round(y) * width + Math.round(x);
  const [above, below] = [at - clearance * width, at + clearance * width];
  return data[at - clearance]! <= 0 && data[at + clearance]! <= 0 && data[above]! <= 0 && data[below]! <= 0;
}
