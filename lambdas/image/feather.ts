import type { Plane } from './raster.ts';

/** Borgefors, "Distance transformations in digital images" (1986): steps of 3 and 4 thirds of a pixel, at most 8 % off. */
const straight = 3;
const diagonal = 4;

/**
 * Opacity of a region (above 0 = inside): 0 outside, rising smoothly over the outermost `width` pixels inside to 1, so that a blend
 * changes no pixel outside. Beyond the plane is outside. `width` 0 gives a hard edge. Below 1 ms for 256x256; `distances`, if they are
 * known already, save most of it.
 */
export function featherRegion(region: Plane, width: number, distances = distanceToOutside(region)): Plane {
  const data = new Float32Array(distances.length);
  for (let at = 0; at < data.length; at++) {
    const distance = distances[at]!;
    if (distance > 0) data[at] = smoothStep(distance / (width + 1));
  }
  return { width: region.width, height: region.height, data };
}

/** Sides of a plane: whether there is something beyond each. */
export type Sides = { readonly [Side in 'left' | 'top' | 'right' | 'bottom']: boolean };

/** The opacity, falling smoothly to nearly 0 over the last `width` pixels before each of the given sides. */
export function fadeTowards(sides: Sides, { width: columns, height: rows, data }: Plane, width: number): Plane {
  const faded = new Float32Array(data);
  for (let y = 0, at = 0; y < rows; y++) {
    const vertical = Math.min(sides.top ? y : width, sides.bottom ? rows - 1 - y : width);
    for (let x = 0; x < columns; x++, at++) {
      const distance = Math.min(vertical, sides.left ? x : width, sides.right ? columns - 1 - x : width);
      if (distance < width) faded[at]! *= smoothStep((distance + 1) / (width + 1));
    }
  }
  return { width: columns, height: rows, data: faded };
}

function smoothStep(t: number): number {
  return t >= 1 ? 1 : t * t * (3 - 2 * t);
}

/** For every pixel the distance, in pixels, to the nearest one outside the region; 0 outside. */
export function distanceToOutside({ width, height, data }: Plane): Float32Array {
  const stride = width + 2; // a border of outside all round
  const steps = new Int32Array(stride * (height + 2));
  const far = straight * (width + height + 2);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) if (data[y * width + x]! > 0) steps[(y + 1) * stride + x + 1] = far;
  }
  const first = stride + 1;
  const last = height * stride + width;
  for (let at = first; at <= last; at++) if (steps[at]! > 0) relax(steps, at, -1, stride);
  for (let at = last; at >= first; at--) if (steps[at]! > 0) relax(steps, at, 1, stride);
  const distances = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) distances[y * width + x] = steps[(y + 1) * stride + x + 1]! / straight;
  }
  return distances;
}

/** Whether a pixel lies further than so many pixels from the region (above 0) and from what is beyond the plane; looks at no others. */
export function isFurtherFrom(region: Plane, column: number, row: number, distance: number): boolean {
  const { width, height, data } = region;
  for (let y = row - distance; y <= row + distance; y++) {
    for (let x = column - distance; x <= column + distance; x++) {
      const [across, down] = [Math.abs(x - column), Math.abs(y - row)];
      const steps = straight * Math.abs(across - down) + diagonal * Math.min(across, down);
      if (steps > straight * distance) continue;
      if (x < 0 || y < 0 || x >= width || y >= height || data[y * width + x]! > 0) return false;
    }
  }
  return true;
}

/** Shortens the way out of a pixel by its four neighbours that were settled before it: those before (`side` -1) or after it (1). */
function relax(steps: Int32Array, at: number, side: -1 | 1, stride: number): void {
  const far = at + side * stride;
  const beside = Math.min(steps[at + side]!, steps[far]!) + straight;
  const askew = Math.min(steps[far - 1]!, steps[far + 1]!) + diagonal;
  const least = beside < askew ? beside : askew;
  if (least < steps[at]!) steps[at] = least;
}
