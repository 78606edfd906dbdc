import { applySimilarity, invertSimilarity, type Similarity, similarityScale } from './geometry.ts';
import { createRaster, type Raster } from './raster.ts';
import {
  blockSize,
  createKernel,
  fieldCoordinate,
  rasterField,
  sampleColours,
  samplePixels,
  type Window,
} from './resample.ts';

/**
 * The picture as seen through `sourceToTarget`, RGB: target pixel t shows source point sourceToTarget^-1(t). Averages over the source
 * pixels it covers where it shrinks, bicubic where it enlarges; edges are repeated outside. Whole-pixel shifts and quarter turns copy
 * bytes exactly. Cost: the source pixels under the target, once, and about 70 ns a target pixel.
 * @throws RangeError when the similarity's scale is zero.
 */
export function warpRaster(raster: Raster, sourceToTarget: Similarity, width: number, height: number): Raster {
  const inverse = invertSimilarity(sourceToTarget);
  const minification = 1 / similarityScale(sourceToTarget);
  const step = blockSize(minification);
  const kernel = createKernel(minification / step);
  const target = createRaster(width, height, 3);
  const line = new Float32Array(width * 3);
  const field = step === 1 ? undefined : rasterField(raster, windowUnder(inverse, width, height), step);
  const [du, dv] = [inverse.a / step, inverse.b / step];
  for (let y = 0; y < height; y++) {
    const start = applySimilarity(inverse, { x: 0, y });
    const u = fieldCoordinate(start.x, step, field?.x ?? 0);
    const v = fieldCoordinate(start.y, step, field?.y ?? 0);
    if (field) sampleColours(field, kernel, { u, v, du, dv, count: width }, line);
    else samplePixels(raster, kernel, { u, v, du, dv, count: width }, line);
    writeBytes(line, target.data, y * width * 3);
  }
  return target;
}

/** What of the source the target shows. */
function windowUnder(targetToSource: Similarity, width: number, height: number): Window {
  const corners = [0, width - 1].flatMap((x) => [0, height - 1].map((y) => applySimilarity(targetToSource, { x, y })));
  const [xs, ys] = [corners.map(({ x }) => x), corners.map(({ y }) => y)];
  return { left: Math.min(...xs), right: Math.max(...xs), top: Math.min(...ys), bottom: Math.max(...ys) };
}

/** Rounded half up, clamped. */
function writeBytes(line: Float32Array, bytes: Uint8Array, at: number): void {
  for (let i = 0; i < line.length; i++) {
    const value = line[i]! + 0.5;
    bytes[at + i] = value > 255 ? 255 : value > 0 ? value : 0;
  }
}
