import type { Box } from '#image/box.ts';
import { applySimilarity, type Similarity } from '#image/geometry.ts';
import type { Plane, Raster } from '#image/raster.ts';

/** The first channel of a decoded region as a plane of 0 and 1: bytes of `least` and more are inside. */
export function planeOf({ width, height, channels, data }: Raster, least: number): Plane {
  const inside = Float32Array.from({ length: width * height }, (_, pixel) =>
    (data[pixel * channels] ?? 0) >= least ? 1 : 0,
  );
  return { width, height, data: inside };
}

/** 1 for every pixel in which two pictures of one size differ. */
export function changedPixels(one: Raster, other: Raster): Plane {
  const { width, height } = one;
  const changed = Float32Array.from({ length: width * height }, (_, pixel) => {
    const [p, q] = [pixel * one.channels, pixel * other.channels];
    const same = [0, 1, 2].every((channel) => one.data[p + channel] === other.data[q + channel]);
    return same ? 0 : 1;
  });
  return { width, height, data: changed };
}

/** A plane that lies at a box of a picture, as a plane of the whole picture; 0 elsewhere. */
export function wholePlane(
  { box, plane }: { readonly box: Box; readonly plane: Plane },
  { width, height }: { readonly width: number; readonly height: number },
): Plane {
  const data = new Float32Array(width * height);
  for (let row = 0; row < plane.height; row++) {
    data.set(plane.data.subarray(row * plane.width, (row + 1) * plane.width), (box.y + row) * width + box.x);
  }
  return { width, height, data };
}

/** A plane of the crop as the photo sees it, bilinear; 0 outside the crop. */
export function planeInPhoto(
  crop: Plane,
  photoToCrop: Similarity,
  { width, height }: { readonly width: number; readonly height: number },
): Plane {
  const data = new Float32Array(width * height);
  const value = (x: number, y: number) =>
    x < 0 || y < 0 || x >= crop.width || y >= crop.height ? 0 : (crop.data[y * crop.width + x] ?? 0);
  for (let pixel = 0; pixel < data.length; pixel++) {
    const { x, y } = applySimilarity(photoToCrop, { x: pixel % width, y: Math.floor(pixel / width) });
    const [left, top] = [Math.floor(x), Math.floor(y)];
    const [right, down] = [x - left, y - top];
    const above = (1 - right) * value(left, top) + right * value(left + 1, top);
    const below = (1 - right) * value(left, top + 1) + right * value(left + 1, top + 1);
    data[pixel] = (1 - down) * above + down * below;
  }
  return { width, height, data };
}

/** Rows of OpenCV's elliptic structuring element of 9x9: how far it reaches to either side. */
const ellipseReach = [0, 3, 3, 4, 4, 4, 3, 3, 0];

/** What is left of a region after erosion and dilation with an ellipse of 9x9: straps and specks go. Beyond the plane counts for neither. */
export function openRegion(region: Plane): Plane {
  return morphed(morphed(region, 'erode'), 'dilate');
}

function morphed({ width, height, data }: Plane, how: 'erode' | 'dilate'): Plane {
  const sought = how === 'erode' ? 0 : 1;
  const out = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      out[y * width + x] = hasNear({ width, height, data }, x, y, sought) ? sought : 1 - sought;
    }
  }
  return { width, height, data: out };
}

function hasNear({ width, height, data }: Plane, x: number, y: number, sought: number): boolean {
  for (const [row, reach] of ellipseReach.entries()) {
    const at = y + row - 4;
    if (at < 0 || at >= height) continue;
    for (let column = Math.max(0, x - reach); column <= Math.min(width - 1, x + reach); column++) {
      if ((data[at * width + column] ?? 0) === sought) return true;
    }
  }
  return false;
}
