import { type Box, boundsOf } from './box.ts';
import type { Plane, Raster } from './raster.ts';

const peak = 255;

/** Mean of the squared differences over R, G and B, in levels squared; alpha is left out. @throws RangeError when sizes differ. */
export function meanSquaredError(a: Raster, b: Raster): number {
  expectSameSize(a, b);
  return squaredErrors(a, b) / (3 * a.width * a.height);
}

/** Peak signal-to-noise ratio in dB, peak 255, over R, G and B together; Infinity for identical pictures. */
export function psnr(a: Raster, b: Raster): number {
  return decibels(meanSquaredError(a, b));
}

/** PSNR over the pixels where the region is above 0; NaN when it is empty. The region has the rasters' framing. */
export function regionPsnr(a: Raster, b: Raster, region: Plane): number {
  expectSameSize(a, b);
  expectSameSize(a, region);
  const pixels = region.data.reduce((sum, value) => sum + (value > 0 ? 1 : 0), 0);
  return pixels === 0 ? Number.NaN : decibels(squaredErrors(a, b, region) / (3 * pixels));
}

/**
 * The quality that equation 8 of the ResCNN paper prints: 10 log10(width height / MSE). It has no peak in it, so it grows with the
 * picture's size; only figures of equally large pictures compare. In dB; Infinity for identical pictures.
 */
export function psnrEq8(mse: number, width: number, height: number): number {
  return 10 * Math.log10((width * height) / mse);
}

/**
 * Structural similarity, mean over R, G and B, -1..1: Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility
 * to structural similarity" (2004): Gaussian window of 11x11 with sigma 1.5, K1 = 0.01, K2 = 0.03, peak 255, averaged over the windows
 * that lie inside the picture. A picture with a side below 11 has none; all its pixels count then, with mirrored edges.
 * Equals scikit-image's structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False). About 0.25 s a megapixel.
 * @throws RangeError when sizes differ.
 */
export function ssim(a: Raster, b: Raster): number {
  expectSameSize(a, b);
  const { width, height } = a;
  const margin = Math.min(width, height) >= 2 * radius + 1 ? radius : 0;
  let sum = 0;
  const inner = { x: margin, y: margin, width: width - 2 * margin, height: height - 2 * margin };
  eachRow(a, b, inner, (_, similarities) => {
    for (let i = 0; i < similarities.length; i++) sum += similarities[i]!;
  });
  return sum / (3 * inner.width * inner.height);
}

/** Mean of the same SSIM map, edges mirrored, over the pixels where the region is above 0; NaN when it is empty. */
export function regionSsim(a: Raster, b: Raster, region: Plane): number {
  expectSameSize(a, b);
  expectSameSize(a, region);
  const { width } = a;
  const bounds = boundsOf(region);
  if (!bounds) return Number.NaN;
  let sum = 0;
  let count = 0;
  eachRow(a, b, bounds, (y, similarities) => {
    for (let i = 0, at = y * width + bounds.x; i < similarities.length; i++, at++) {
      if (region.data[at]! <= 0) continue;
      sum += similarities[i]!;
      count++;
    }
  });
  return sum / count;
}

function decibels(mse: number): number {
  return 10 * Math.log10((peak * peak) / mse);
}

function squaredErrors(a: Raster, b: Raster, region?: Plane): number {
  const pixels = a.width * a.height;
  let sum = 0;
  for (let i = 0, p = 0, q = 0; i < pixels; i++, p += a.channels, q += b.channels) {
    if (region && region.data[i]! <= 0) continue;
    const red = a.data[p]! - b.data[q]!;
    const green = a.data[p + 1]! - b.data[q + 1]!;
    const blue = a.data[p + 2]! - b.data[q + 2]!;
    sum += red * red + green * green + blue * blue;
  }
  return sum;
}

type Shape = { readonly width: number; readonly height: number };

function expectSameSize(a: Shape, b: Shape): void {
  if (a.width !== b.width || a.height !== b.height) {
    throw new RangeError(
      `Expected two pictures of one size but received ${a.width}x${a.height} and ${b.width}x${b.height}.`,
    );
  }
}

const radius = 5;
const window = gaussianWindow();
const stabiliser1 = (0.01 * peak) ** 2;
const stabiliser2 = (0.03 * peak) ** 2;

function gaussianWindow(): Float64Array {
  const sigma = 1.5;
  const weights = Float64Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.exp(-((i - radius) ** 2) / (2 * sigma ** 2)),
  );
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/**
 * Calls `visit` with the similarities of every row of the box, channel by channel. With s = a + b and d = a - b the window's four means
 * of s, d, s^2, d^2 give all five of Wang's moments, one filter less; rows filtered along x wait in a ring for the filter along y.
 */
function eachRow(
  a: Raster,
  b: Raster,
  { x: left, y: top, width: columns, height: rows }: Box,
  visit: (y: number, similarities: Float64Array) => void,
): void {
  const { width, height } = a;
  if (columns <= 0 || rows <= 0) return;
  const bottom = top + rows;
  const size = 2 * radius + 1;
  const padded = columns + 2 * radius;
  const source = Int32Array.from({ length: padded }, (_, i) => mirrored(left - radius + i, width));
  const sums = new Float64Array(padded);
  const differences = new Float64Array(padded);
  const ring = Array.from({ length: size }, () => new Float64Array(4 * columns));
  const moments = new Float64Array(4 * columns);
  const similarities = new Float64Array(columns);
  for (let channel = 0; channel < 3; channel++) {
    const filterRow = (row: number) => {
      const y = mirrored(row, height) * width;
      for (let i = 0; i < padded; i++) {
        const p = a.data[(y + source[i]!) * a.channels + channel]!;
        const q = b.data[(y + source[i]!) * b.channels + channel]!;
        sums[i] = p + q;
        differences[i] = p - q;
      }
      filterAlong(sums, differences, ring[(row + size) % size]!, columns);
    };
    for (let row = top - radius; row < top + radius; row++) filterRow(row);
    for (let y = top; y < bottom; y++) {
      filterRow(y + radius);
      const middle = ring[y % size]!;
      for (let i = 0; i < moments.length; i++) moments[i] = window[radius]! * middle[i]!;
      for (let k = 1; k <= radius; k++) {
        const above = ring[(y - k + size) % size]!;
        const below = ring[(y + k) % size]!;
        const weight = window[radius + k]!;
        for (let i = 0; i < moments.length; i++) moments[i] = moments[i]! + weight * (above[i]! + below[i]!);
      }
      for (let i = 0, m = 0; i < columns; i++, m += 4) {
        similarities[i] = similarityOf(moments[m]!, moments[m + 1]!, moments[m + 2]!, moments[m + 3]!);
      }
      visit(y, similarities);
    }
  }
}

function filterAlong(sums: Float64Array, differences: Float64Array, out: Float64Array, columns: number): void {
  for (let i = 0, to = 0; i < columns; i++, to += 4) {
    let sum = 0;
    let difference = 0;
    let sumSquare = 0;
    let differenceSquare = 0;
    for (let k = 0; k < window.length; k++) {
      const weight = window[k]!;
      const s = sums[i + k]!;
      const d = differences[i + k]!;
      sum += weight * s;
      difference += weight * d;
      sumSquare += weight * s * s;
      differenceSquare += weight * d * d;
    }
    out[to] = sum;
    out[to + 1] = difference;
    out[to + 2] = sumSquare;
    out[to + 3] = differenceSquare;
  }
}

function similarityOf(sum: number, difference: number, sumSquare: number, differenceSquare: number): number {
  const s2 = sum * sum;
  const d2 = difference * difference;
  const product = (s2 - d2) / 2; // 2 mu_a mu_b
  const squares = (s2 + d2) / 2; // mu_a^2 + mu_b^2
  const covariance = (sumSquare - differenceSquare) / 2 - product; // 2 sigma_ab
  const variances = (sumSquare + differenceSquare) / 2 - squares; // sigma_a^2 + sigma_b^2
  return ((product + stabiliser1) * (covariance + stabiliser2)) / ((squares + stabiliser1) * (variances + stabiliser2));
}

/** Index with mirrored edges, edge pixel repeated: c b a | a b c | c b a. */
function mirrored(index: number, size: number): number {
  const period = 2 * size;
  const wrapped = ((index % period) + period) % period;
  return wrapped < size ? wrapped : period - 1 - wrapped;
}
