import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { meanSquaredError, psnr, psnrEq8, regionPsnr, regionSsim, ssim } from '#image/quality.ts';
import { grey, paint, plane, shape } from './rasters.ts';

type Vector = {
  width: number;
  height: number;
  strength: number;
  mse: number;
  psnr: number;
  ssim: number;
  regionPixels: number;
  regionPsnr: number;
  regionSsim: number;
};
/** Made by vectors/quality.py with scikit-image. */
const vectors: Vector[] = JSON.parse(readFileSync(new URL('vectors/quality.json', import.meta.url), 'utf8'));

/** The pictures of vectors/quality.py, by the same formulas. */
function pictures({ width, height, strength }: Vector) {
  const level = (x: number, y: number, c: number) =>
    64 + Math.floor(((x * (3 + c) + y * (5 + 2 * c) + ((x * y) >> 4) * (c + 1)) & 255) / 2);
  const a = paint(width, height, level);
  const b = paint(width, height, (x, y, c) => level(x, y, c) + strength * (((7 * x + 13 * y + 5 * c) % 11) - 5));
  const region = shape(
    width,
    height,
    (x, y) =>
      (4 * x - 2 * width) ** 2 * height ** 2 + (4 * y - 3 * height) ** 2 * width ** 2 < width ** 2 * height ** 2 * 4,
  );
  return { a, b, region };
}

describe.each(vectors)('against scikit-image, $width x $height disturbed by $strength', (vector) => {
  const { a, b, region } = pictures(vector);

  test('the region is the same', () => {
    expect(region.data.reduce((sum, value) => sum + value, 0)).toBe(vector.regionPixels);
  });

  test('the errors are equal', () => {
    expect(meanSquaredError(a, b)).toBeCloseTo(vector.mse, 8);
    expect(psnr(a, b)).toBeCloseTo(vector.psnr, 8);
    expect(regionPsnr(a, b, region)).toBeCloseTo(vector.regionPsnr, 8);
  });

  test('the structural similarities are equal', () => {
    expect(Math.abs(ssim(a, b) - vector.ssim)).toBeLessThan(1e-6);
    expect(Math.abs(regionSsim(a, b, region) - vector.regionSsim)).toBeLessThan(1e-6);
  });
});

describe('quality', () => {
  const dark = grey([
    [0, 0],
    [0, 0],
  ]);
  const spotted = grey([
    [0, 10],
    [0, 0],
  ]);

  test('of one wrong pixel in four is a quarter of its squared error', () => {
    expect(meanSquaredError(dark, spotted)).toBe(25);
    expect(psnr(dark, spotted)).toBeCloseTo(10 * Math.log10(255 ** 2 / 25), 12);
  });

  test('counts only the region where asked to', () => {
    const right = plane([
      [0, 1],
      [0, 0],
    ]);
    const left = plane([
      [1, 0],
      [1, 0],
    ]);
    expect(regionPsnr(dark, spotted, right)).toBeCloseTo(10 * Math.log10(255 ** 2 / 100), 12);
    expect(regionPsnr(dark, spotted, left)).toBe(Number.POSITIVE_INFINITY);
  });

  test('over an empty region is no number', () => {
    const nothing = plane([
      [0, 0],
      [0, 0],
    ]);
    expect(regionPsnr(dark, spotted, nothing)).toBeNaN();
    expect(regionSsim(dark, spotted, nothing)).toBeNaN();
  });

  test('of a picture with itself is infinite, and its similarity 1', () => {
    const picture = paint(20, 15, (x, y, c) => x * 7 + y * 11 + c * 40);
    expect(psnr(picture, picture)).toBe(Number.POSITIVE_INFINITY);
    expect(ssim(picture, picture)).toBeCloseTo(1, 12);
    expect(ssim(dark, dark)).toBeCloseTo(1, 12);
  });

  test('does not look at alpha', () => {
    const opaque = paint(12, 12, (x, y, c) => (c === 3 ? 255 : x * y), 4);
    const clear = paint(12, 12, (x, y, c) => (c === 3 ? 0 : x * y), 4);
    expect(psnr(opaque, clear)).toBe(Number.POSITIVE_INFINITY);
    expect(
      ssim(
        opaque,
        paint(12, 12, (x, y) => x * y),
      ),
    ).toBeCloseTo(1, 12);
  });

  test('of the paper has no peak and grows with the picture', () => {
    expect(psnrEq8(4, 20, 20)).toBeCloseTo(20, 12);
    expect(psnrEq8(4, 200, 200)).toBeCloseTo(40, 12);
    expect(psnrEq8(0, 2, 2)).toBe(Number.POSITIVE_INFINITY);
  });

  test('needs two pictures of one size', () => {
    expect(() => psnr(dark, grey([[0, 0]]))).toThrow('2x2 and 2x1');
    expect(() => regionSsim(dark, dark, plane([[1]]))).toThrow('2x2 and 1x1');
  });
});
