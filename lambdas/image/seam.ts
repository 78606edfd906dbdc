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
  const { width, height } = raster;
  const inside = (x: number, y: number): boolean => {
    const [i, j] = [x - box.x, y - box.y];
    return i >= 0 && j >= 0 && i < region.width && j < region.height && region.data[j * region.width + i]! > 0;
  };
  let [borderSum, borderCount, bandSum, bandCount] = [0, 0, 0, 0];
  const step = (x: number, y: number, dx: number, dy: number) =>
    Math.abs(luma(raster, x, y) - luma(raster, x + dx, y + dy));
  const scan = (
    lines: number,
    length: number,
    at: (line: number, i: number) => readonly [number, number],
    dx: number,
    dy: number,
  ) => {
    for (let line = 0; line < lines; line++) {
      for (let i = 0; i + 1 < length; i++) {
        const [x, y] = at(line, i);
        if (inside(x, y) === inside(x + dx, y + dy)) continue;
        borderSum += step(x, y, dx, dy);
        borderCount++;
        for (let k = 1; k <= bandPixels; k++) {
          for (const j of [i - k, i + k]) {
            if (j < 0 || j + 1 >= length) continue;
            const [u, v] = at(line, j);
            if (inside(u, v) !== inside(u + dx, v + dy)) continue;
            bandSum += step(u, v, dx, dy);
            bandCount++;
          }
        }
      }
    }
  };
  const [left, top] = [Math.max(0, box.x - 1 - bandPixels), Math.max(0, box.y - 1 - bandPixels)];
  const right = Math.min(width, box.x + box.width + 1 + bandPixels);
  const bottom = Math.min(height, box.y + box.height + 1 + bandPixels);
  scan(bottom - top, right - left, (line, i) => [left + i, top + line], 1, 0);
  scan(right - left, bottom - top, (line, i) => [left + line, top + i], 0, 1);
  if (borderCount === 0) return Number.NaN;
  const border = borderSum / borderCount;
  const band = bandCount > 0 ? bandSum / bandCount : 0;
  return Math.max(border, leastStep) / Math.max(band, leastStep);
}

/** ITU-R BT.601. */
function luma({ width, channels, data }: Raster, x: number, y: number): number {
  const at = (y * width + x) * channels;
  return 0.299 * data[at]! + 0.587 * data[at + 1]! + 0.114 * data[at + 2]!;
}
