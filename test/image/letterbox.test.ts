import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { letterbox, letterboxTensor, resizeRaster } from '#image/letterbox.ts';
import { toTensor } from '#image/tensor.ts';
import { grey, paint, rowsOf } from './rasters.ts';

describe('the letterbox', () => {
  test('puts the picture top left and grey beside it', () => {
    const { raster, scale } = letterbox(
      grey([
        [0, 40],
        [80, 120],
      ]),
      2,
    );
    expect(scale).toBe(1);
    expect(rowsOf(raster)).toEqual([
      [0, 40],
      [80, 120],
    ]);
    const wide = letterbox(grey([[200, 200]]), 2);
    expect(rowsOf(wide.raster)).toEqual([
      [200, 200],
      [128, 128],
    ]);
  });

  test('averages areas, also when the ratio is not whole', () => {
    const { raster, scale } = letterbox(
      grey([
        [0, 90, 180],
        [0, 90, 180],
        [0, 90, 180],
      ]),
      2,
    );
    expect(scale).toBeCloseTo(2 / 3, 12);
    expect(rowsOf(raster)).toEqual([
      [30, 150],
      [30, 150],
    ]);
  });

  test('keeps the mean of a large photo', () => {
    const { raster } = letterbox(
      paint(97, 97, (x, y) => (x * 31 + y * 17) % 256),
      16,
    );
    const mean = (bytes: Uint8Array) => bytes.reduce((sum, byte) => sum + byte, 0) / bytes.length;
    expect(mean(raster.data)).toBeCloseTo(mean(paint(97, 97, (x, y) => (x * 31 + y * 17) % 256).data), 0);
  });

  test('enlarges at most fourfold', () => {
    const { raster, scale } = letterbox(grey([[10]]), 8, 0);
    expect(scale).toBe(4);
    expect(
      rowsOf(raster)
        .flat()
        .filter((value) => value === 10),
    ).toHaveLength(16);
  });

  test('keeps at least one row of an extreme panorama', () => {
    const { raster } = letterbox(
      paint(1000, 1, () => 200),
      10,
      0,
    );
    expect(rowsOf(raster)[0]).toEqual(Array(10).fill(200));
    expect(rowsOf(raster)[1]).toEqual(Array(10).fill(0));
  });
});

test('the letterbox of a tensor is the tensor of the letterbox, whatever was in it before', () => {
  const normalisation = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
  const sides = fc.integer({ min: 1, max: 40 });
  fc.assert(
    fc.property(sides, sides, fc.constantFrom<3 | 4>(3, 4), fc.integer(), (width, height, channels, seed) => {
      const photo = paint(width, height, (x, y, c) => (x * 31 + y * 17 + c * 77 + seed) & 255, channels);
      const expected = letterbox(photo, 12);
      const tensor = new Float32Array(3 * 12 * 12).fill(Number.NaN);
      expect(letterboxTensor(photo, 12, normalisation, tensor)).toBe(expected.scale);
      expect(tensor).toEqual(toTensor(expected.raster, normalisation));
    }),
  );
});

test('a tensor of another size is refused', () => {
  const normalisation = { mean: [0, 0, 0], std: [1, 1, 1] };
  expect(() => letterboxTensor(grey([[1]]), 4, normalisation, new Float32Array(47))).toThrow(
    'Expected 48 floats for [1, 3, 4, 4] but received 47.',
  );
});

test('half the size is the mean of two by two pixels', () => {
  const photo = grey([
    [0, 10, 100, 101],
    [20, 30, 102, 103],
  ]);
  expect(rowsOf(resizeRaster(photo, 2, 1))).toEqual([[15, 102]]);
});
