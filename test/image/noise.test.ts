import { describe, expect, test } from 'vitest';
import { estimateNoiseSigma } from '#image/noise.ts';
import { createNormal, grey, paint, shape } from './rasters.ts';

/** Shading, a hard outline, and hatching over a third of it. */
function scene(sigma: number, size = 192) {
  const normal = createNormal(7);
  return paint(size, size, (x, y, c) => {
    const shading = 110 + 40 * Math.sin(x / 40) + 30 * Math.cos(y / 53) + 8 * c;
    const hatching = x > size / 1.5 ? 30 * Math.sin(x * 1.1 + y * 0.7) : 0;
    const outline = Math.hypot(x - size / 3, y - size / 2) < size / 5 ? -35 : 0;
    return shading + hatching + outline + sigma * normal();
  });
}

describe('the noise estimate', () => {
  test.each([3, 5, 10, 15, 25, 50])(
    'finds a standard deviation of %d within 15 %% in a scene with texture',
    (sigma) => {
      const estimate = estimateNoiseSigma(scene(sigma));
      expect(estimate / sigma).toBeGreaterThan(0.85);
      expect(estimate / sigma).toBeLessThan(1.15);
    },
  );

  test('finds next to none in a clean scene', () => {
    expect(estimateNoiseSigma(scene(0))).toBeLessThan(0.5);
  });

  test('is 0 for one colour and for a plane of light', () => {
    expect(estimateNoiseSigma(paint(64, 64, () => 200))).toBeLessThan(0.25);
    expect(estimateNoiseSigma(paint(64, 64, (x, y) => 2 * x + y))).toBeLessThan(0.25);
  });

  test('does not believe blocks that are clipped', () => {
    const normal = createNormal(3);
    const half = paint(128, 128, (x) => (x < 64 ? 255 : 128) + 20 * normal());
    expect(estimateNoiseSigma(half) / 20).toBeGreaterThan(0.85);
  });

  test('looks only into the region where one is given', () => {
    const normal = createNormal(4);
    const half = paint(128, 128, (x) => 128 + (x < 64 ? 3 : 30) * normal());
    const left = shape(128, 128, (x) => x < 64);
    expect(estimateNoiseSigma(half, left)).toBeCloseTo(3, 0);
    expect(
      estimateNoiseSigma(
        half,
        shape(128, 128, () => false),
      ),
    ).toBe(0);
  });

  test('copes with pictures of any small size', () => {
    expect(estimateNoiseSigma(grey([[5]]))).toBe(0);
    expect(estimateNoiseSigma(paint(2, 500, (_, y) => y % 256))).toBe(0);
    expect(estimateNoiseSigma(paint(3, 3, () => 9))).toBeLessThan(0.25);
    const normal = createNormal(5);
    expect(estimateNoiseSigma(paint(12, 12, () => 128 + 10 * normal()))).toBeGreaterThan(5);
  });

  test('is the same for a large photo, which is sampled', () => {
    expect(Math.abs(estimateNoiseSigma(scene(12, 1024)) / 12 - 1)).toBeLessThan(0.15);
  });
});
