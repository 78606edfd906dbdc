import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { boundsOf, boxAround, intersectionOverUnion, nonMaximumSuppression, shareInside } from '#image/box.ts';
import { plane } from './rasters.ts';

const box = fc.record({
  x: fc.integer({ min: 0, max: 60 }),
  y: fc.integer({ min: 0, max: 60 }),
  width: fc.integer({ min: 1, max: 40 }),
  height: fc.integer({ min: 1, max: 40 }),
});
const candidates = fc.array(fc.record({ box, score: fc.double({ min: 0, max: 1, noNaN: true }) }), { maxLength: 30 });

describe('intersection over union', () => {
  test('of two squares that share a quarter each is a seventh', () => {
    const [a, b] = [
      { x: 0, y: 0, width: 2, height: 2 },
      { x: 1, y: 1, width: 2, height: 2 },
    ];
    expect(intersectionOverUnion(a, b)).toBeCloseTo(1 / 7, 12);
  });

  test('of boxes that only touch is 0, of empty ones too', () => {
    expect(intersectionOverUnion({ x: 0, y: 0, width: 2, height: 2 }, { x: 2, y: 0, width: 2, height: 2 })).toBe(0);
    const empty = { x: 5, y: 5, width: 0, height: 0 };
    expect(intersectionOverUnion(empty, empty)).toBe(0);
  });

  test('is symmetric, within 0..1, and 1 with itself', () => {
    fc.assert(
      fc.property(box, box, (a, b) => {
        const overlap = intersectionOverUnion(a, b);
        expect(overlap).toBe(intersectionOverUnion(b, a));
        expect(overlap).toBeGreaterThanOrEqual(0);
        expect(overlap).toBeLessThanOrEqual(1);
        expect(intersectionOverUnion(a, a)).toBe(1);
      }),
    );
  });
});

describe('non-maximum suppression', () => {
  test('keeps the best of a heap and every lone box, best first', () => {
    const weak = { box: { x: 1, y: 0, width: 10, height: 10 }, score: 0.6 };
    const strong = { box: { x: 0, y: 0, width: 10, height: 10 }, score: 0.9 };
    const alone = { box: { x: 50, y: 50, width: 10, height: 10 }, score: 0.7 };
    expect(nonMaximumSuppression([weak, alone, strong], 0.4)).toEqual([strong, alone]);
  });

  test('keeps boxes that overlap by no more than allowed', () => {
    const left = { box: { x: 0, y: 0, width: 10, height: 10 }, score: 0.9 };
    const right = { box: { x: 5, y: 0, width: 10, height: 10 }, score: 0.8 };
    expect(nonMaximumSuppression([left, right], 1 / 3)).toHaveLength(2);
    expect(nonMaximumSuppression([left, right], 0.33)).toEqual([left]);
  });

  test('changes nothing when done twice', () => {
    fc.assert(
      fc.property(candidates, fc.double({ min: 0, max: 1, noNaN: true }), (given, iou) => {
        const once = nonMaximumSuppression(given, iou);
        expect(nonMaximumSuppression(once, iou)).toEqual(once);
      }),
    );
  });

  test('of nothing is nothing', () => {
    expect(nonMaximumSuppression([], 0.5)).toEqual([]);
  });
});

test('the box around two boxes holds both and touches them on every side', () => {
  fc.assert(
    fc.property(box, box, (a, b) => {
      const around = boxAround(a, b);
      expect([shareInside(a, around), shareInside(b, around)]).toEqual([1, 1]);
      expect([around.x, around.y]).toEqual([Math.min(a.x, b.x), Math.min(a.y, b.y)]);
      expect([around.x + around.width, around.y + around.height]).toEqual([
        Math.max(a.x + a.width, b.x + b.width),
        Math.max(a.y + a.height, b.y + b.height),
      ]);
    }),
  );
});

test('the bounds of a plane are the smallest box that holds all that is above 0', () => {
  const whole = plane([
    [0, 0, 0, 0],
    [0, 0, 0.1, 0],
    [0, 2, 0, 0],
  ]);
  expect(boundsOf(whole)).toEqual({ x: 1, y: 1, width: 2, height: 2 });
  expect(boundsOf(plane([[0, -1]]))).toBeUndefined();
  expect(boundsOf(plane([[3]]))).toEqual({ x: 0, y: 0, width: 1, height: 1 });
});
