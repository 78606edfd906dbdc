import { describe, expect, test } from 'vitest';
import { seamVisibility } from '#image/seam.ts';
import { grey, paint, plane, shape } from './rasters.ts';

const right = { region: plane([[1, 1, 1, 1]]), box: { x: 4, y: 0, width: 4, height: 1 } };

describe('the visibility of a seam', () => {
  test('is 1 where the border is as steep as its surroundings', () => {
    const even = grey([[10, 20, 30, 40, 50, 60, 70, 80]]);
    expect(seamVisibility(even, right.region, right.box)).toBeCloseTo(1, 6);
  });

  test('is the ratio of the step across the border to those beside it', () => {
    const stepped = grey([[10, 20, 30, 40, 70, 80, 90, 100]]);
    expect(seamVisibility(stepped, right.region, right.box)).toBeCloseTo(3, 6);
  });

  test('sees borders along rows as well', () => {
    const stepped = grey([[10], [20], [30], [60], [70], [80]]);
    const lower = plane([[1], [1], [1]]);
    expect(seamVisibility(stepped, lower, { x: 0, y: 3, width: 1, height: 3 })).toBeCloseTo(3, 6);
  });

  test('is 1 in a flat picture, and large for a patch on it', () => {
    const box = { x: 8, y: 8, width: 8, height: 8 };
    const patch = shape(8, 8, () => true);
    const flat = paint(24, 24, () => 100);
    expect(seamVisibility(flat, patch, box)).toBe(1);
    const patched = paint(24, 24, (x, y) => (x >= 8 && x < 16 && y >= 8 && y < 16 ? 110 : 100));
    expect(seamVisibility(patched, patch, box)).toBeGreaterThan(10);
  });

  test('is no number for a region without border', () => {
    const flat = paint(4, 4, () => 100);
    expect(
      seamVisibility(
        flat,
        shape(4, 4, () => true),
        { x: 0, y: 0, width: 4, height: 4 },
      ),
    ).toBeNaN();
    expect(
      seamVisibility(
        flat,
        shape(0, 0, () => true),
        { x: 0, y: 0, width: 0, height: 0 },
      ),
    ).toBeNaN();
  });
});
