import fc from 'fast-check';
import { expect, test } from 'vitest';
import { faceView } from '../../scripts/report/face-view.ts';

test('a face in the middle has room around it', () => {
  expect(faceView({ x: 450, y: 434, width: 100, height: 132 }, { width: 1000, height: 1000 })).toEqual({
    x: 400,
    y: 400,
    width: 200,
    height: 200,
  });
});

test('a face at the edge is shown off centre, inside the photo', () => {
  expect(faceView({ x: -10, y: 0, width: 66, height: 66 }, { width: 300, height: 200 })).toEqual({
    x: 0,
    y: 0,
    width: 100,
    height: 100,
  });
});

test('the view is a square of whole pixels inside the photo, whatever the box', () => {
  const number = fc.double({ min: -500, max: 3000, noNaN: true });
  const positive = fc.double({ min: 0.1, max: 3000, noNaN: true });
  const length = fc.integer({ min: 1, max: 2000 });
  fc.assert(
    fc.property(number, number, positive, positive, length, length, (x, y, boxWidth, boxHeight, width, height) => {
      const view = faceView({ x, y, width: boxWidth, height: boxHeight }, { width, height });
      expect(view.width).toBe(view.height);
      expect(Object.values(view).every(Number.isInteger)).toBe(true);
      expect(Math.min(view.x, view.y)).toBeGreaterThanOrEqual(0);
      expect(view.x + view.width).toBeLessThanOrEqual(width);
      expect(view.y + view.height).toBeLessThanOrEqual(height);
    }),
  );
});
