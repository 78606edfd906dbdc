import { expect, test } from 'vitest';
import { createRaster, type Plane } from '#image/raster.ts';
import { changedPixels, openRegion, planeInPhoto, planeOf, wholePlane } from '../../scripts/evaluation/planes.ts';

const plane = (width: number, height: number, value: (x: number, y: number) => number): Plane => ({
  width,
  height,
  data: Float32Array.from({ length: width * height }, (_, pixel) => value(pixel % width, Math.floor(pixel / width))),
});

test('a grey picture becomes a region by its first channel', () => {
  const picture = createRaster(3, 1, 3, Uint8Array.from([0, 0, 0, 128, 128, 128, 255, 255, 255]));
  expect([...planeOf(picture, 255).data]).toEqual([0, 0, 1]);
  expect([...planeOf(picture, 128).data]).toEqual([0, 1, 1]);
});

test('changed pixels are those in which any colour differs, alpha left out', () => {
  const one = createRaster(3, 1, 3, Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9]));
  const other = createRaster(3, 1, 4, Uint8Array.from([1, 2, 3, 255, 4, 5, 7, 255, 7, 8, 9, 0]));
  expect([...changedPixels(one, other).data]).toEqual([0, 1, 0]);
});

test('an opening takes a strap off and leaves the fabric', () => {
  const worn = plane(40, 40, (x, y) => Number((x >= 10 && x < 30 && y >= 15 && y < 35) || (x >= 19 && x < 22)));
  const opened = openRegion(worn);
  expect(opened.data[2 * 40 + 20]).toBe(0);
  expect(opened.data[25 * 40 + 20]).toBe(1);
  expect(opened.data[25 * 40 + 10]).toBe(1);
});

test('fabric that leaves the picture is not taken for its border', () => {
  const filled = plane(20, 20, () => 1);
  expect(openRegion(filled).data.every((value) => value === 1)).toBe(true);
});

test('a plane of the crop lies where the similarity says, and nowhere else', () => {
  const crop = plane(4, 4, (x, y) => Number(x === 2 && y === 1));
  const seen = planeInPhoto(crop, { a: 1, b: 0, tx: -3, ty: 0 }, { width: 8, height: 4 });
  expect(seen.data.findIndex((value) => value > 0)).toBe(1 * 8 + 5);
  expect(seen.data.reduce((sum, value) => sum + value, 0)).toBe(1);
});

test('a plane in a box keeps its place in the whole', () => {
  const whole = wholePlane(
    { box: { x: 1, y: 1, width: 2, height: 1 }, plane: plane(2, 1, () => 1) },
    { width: 4, height: 2 },
  );
  expect([...whole.data]).toEqual([0, 0, 0, 0, 0, 1, 1, 0]);
});
