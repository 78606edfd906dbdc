import type { Box } from './box.ts';
import type { Plane, Raster } from './raster.ts';

/** Pixels on either side of the border whose steps count as its surroundings. */
const bandPixels = 3;

/** Steps below this, of 255, are invisible; keeps flat pictures from dividing nothing by nothing. */
const leastStep = 0.5;

/**
 * How visible the border of a pasted region is: mean step of luma between neighbours across the border over the mean step between
 * neighbours in bands of 3 px just inside and just outside. About 1 is invisible, 2 is a line one sees. NaN for a region without border.
 * `region` (above 0 = inside) and `box` as pasteRegion returns them: the region's pixel (0, 0) is the raster's (box.x, box.y).
 */
export function seamVisibility(raster: Raster, region: Plane, box: Box): number {
  const left = Math.max(0, box.x - 1 - bandPixels);
  const top = Math.max(0, box.y - 1 - bandPixels);
  const width = Math.max(0, Math.min(raster.width, box.x + box.width + 1 + bandPixels) - left);
  const height = Math.max(0, Math.min(raster.height, box.y + box.height + 1 + bandPixels) - top);
  const luma = new Float32Array(width * height);
  const inside = new Uint8Array(width * height);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      luma[at] = lumaOf(raster, left + x, top + y);
      inside[at] = holds(region, left + x - box.x, top + y - box.y) ? 1 : 0;
    }
  }
  const steps: Steps = { border: 0, borderCount: 0, band: 0, bandCount: 0 };
  for (let y = 0; y < height; y++) addSteps(steps, luma, inside, y * width, 1, width);
  for (let x = 0; x < width; x++) addSteps(steps, luma, inside, x, width, height);
  if (steps.borderCount === 0) return Number.NaN;
  const border = steps.border / steps.borderCount;
  const band = steps.bandCount > 0 ? steps.band / steps.bandCount : 0;
  return Math.max(border, leastStep) / Math.max(band, leastStep);
}

type Steps = { border: number; borderCount: number; band: number; bandCount: number };

/** Adds the steps along one row or column: `length` pixels from `start`, `stride` apart. */
function addSteps(
  steps: Steps,
  luma: Float32Array,
  inside: Uint8Array,
  start: number,
  stride: number,
  length: number,
): void {
  const end = start + (length - 1) * stride;
  for (let at = start; at < end; at += stride) {
    if (inside[at] === inside[at + stride]) continue;
    steps.border += Math.abs(luma[at]! - luma[at + stride]!);
    steps.borderCount++;
    for (let k = -bandPixels; k <= bandPixels; k++) {
      const near = at + k * stride;
      if (near < start || near >= end || inside[near] !== inside[near + stride]) continue;
      steps.band += Math.abs(luma[near]! - luma[near + stride]!);
      steps.bandCount++;
    }
  }
}

function holds({ width, height, data }: Plane, x: number, y: number): boolean {
  return x >= 0 && y >= 0 && x < width && y < height && data[y * width + x]! > 0;
}

/** ITU-R BT.601. */
function lumaOf({ width, channels, data }: Raster, x: number, y: number): number {
  const at = (y * width + x) * channels;
  return 0.299 * data[at]! + 0.587 * data[at + 1]! + 0.114 * data[at + 2]!;
}
