import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { edgeDetail, fittingAmount } from '#image/sharpen.ts';
import { warpRaster } from '#image/warp.ts';
import { grey, paint, shape } from './rasters.ts';

const rowOf = (values: readonly number[]) => grey([values, values, values]);
const reds = (detail: Float32Array) => [...detail].filter((_, at) => at % 3 === 0);

describe('edge detail', () => {
  test('makes a soft step steeper and nothing darker or brighter than it was', () => {
    const soft = rowOf([20, 20, 40, 100, 160, 180, 180]);
    const detail = reds(edgeDetail(soft)).slice(0, 7);
    expect(detail).toEqual([0, 0, -15, 0, 15, 0, 0]);
  });

  test('of an even or evenly shaded picture is nothing', () => {
    expect(edgeDetail(rowOf([7, 7, 7])).every((value) => value === 0)).toBe(true);
    const inner = reds(edgeDetail(rowOf([10, 20, 30, 40, 50]))).slice(1, 4);
    expect(inner).toEqual([0, 0, 0]);
  });

  test('is the difference to the blurred picture, one and a half times, between the darkest and the brightest neighbour', () => {
    const picture = fc
      .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 }), fc.constantFrom(3 as const, 4 as const))
      .chain(([width, height, channels]) => {
        const length = width * height * channels;
        return fc.record({
          ...{ width: fc.constant(width), height: fc.constant(height), channels: fc.constant(channels) },
          data: fc.uint8Array({ minLength: length, maxLength: length }),
        });
      });
    fc.assert(
      fc.property(picture, ({ width, height, channels, data }) => {
        const at = (x: number, y: number, c: number) => {
          const [column, row] = [Math.min(width - 1, Math.max(0, x)), Math.min(height - 1, Math.max(0, y))];
          return data[(row * width + column) * channels + c] ?? 0;
        };
        const expected = Array.from({ length: width * height * 3 }, (_, index) => {
          const [x, y, c] = [Math.floor(index / 3) % width, Math.floor(index / 3 / width), index % 3];
          const near = [-1, 0, 1].flatMap((j) => [-1, 0, 1].map((i) => ({ i, j, value: at(x + i, y + j, c) })));
          const blurred = near.reduce((sum, { i, j, value }) => sum + (value * (2 - i * i) * (2 - j * j)) / 16, 0);
          const here = at(x, y, c);
          const values = near.map(({ value }) => value);
          return Math.min(Math.max(...values), Math.max(Math.min(...values), here + 1.5 * (here - blurred))) - here;
        });
        expect([...edgeDetail({ width, height, channels, data })]).toEqual(expected);
      }),
    );
  });

  test('of a box is that of the whole picture there, and nothing elsewhere', () => {
    const picture = paint(9, 7, (x, y, channel) => ((x * 37 + y * 91 + channel * 53) * 29) % 256);
    const whole = edgeDetail(picture);
    const span = (size: number) =>
      fc
        .tuple(fc.integer({ min: 0, max: size - 1 }), fc.integer({ min: 1, max: size }))
        .map(([from, length]) => [from, Math.min(length, size - from)] as const);
    fc.assert(
      fc.property(span(9), span(7), ([x, width], [y, height]) => {
        const isInside = (at: number) => {
          const [column, row] = [Math.floor(at / 3) % 9, Math.floor(at / 27)];
          return column >= x && column < x + width && row >= y && row < y + height;
        };
        const expected = whole.map((value, at) => (isInside(at) ? value : 0));
        expect(edgeDetail(picture, { x, y, width, height })).toEqual(expected);
      }),
    );
  });

  test('never leads a pixel beyond its neighbours', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 75, maxLength: 75 }), (data) => {
        const detail = edgeDetail({ width: 5, height: 5, channels: 3, data });
        detail.forEach((value, at) => {
          const [x, y, c] = [Math.floor(at / 3) % 5, Math.floor(at / 15), at % 3];
          const around = [-1, 0, 1].flatMap((j) =>
            [-1, 0, 1].map((i) => {
              const [column, row] = [Math.min(4, Math.max(0, x + i)), Math.min(4, Math.max(0, y + j))];
              return data[(row * 5 + column) * 3 + c] ?? 0;
            }),
          );
          const sharper = (data[at] ?? 0) + value;
          expect(sharper).toBeGreaterThanOrEqual(Math.min(...around));
          expect(sharper).toBeLessThanOrEqual(Math.max(...around));
        });
      }),
    );
  });
});

describe('the fitting amount', () => {
  /** The lower half of the crop was restored. */
  const region = shape(256, 256, (_, y) => y > 150);
  const toCrop = { a: 0.25, b: 0, tx: -0.375, ty: -0.375 };
  const amountFor = (photo: ReturnType<typeof paint>) => {
    const crop = warpRaster(photo, toCrop, 256, 256);
    return fittingAmount(photo, crop, edgeDetail(crop), region, toCrop);
  };

  test('is large where the photo has steeper edges than the enlarged crop', () => {
    const edges = paint(1024, 1024, (x, y) => (((x >> 6) + (y >> 6)) % 2 ? 190 : 60));
    expect(amountFor(edges)).toBeGreaterThan(0.3);
  });

  test('is small where the photo is as soft as the crop', () => {
    const waves = paint(1024, 1024, (x, y) => 128 + 60 * Math.sin(x / 40) * Math.cos(y / 37));
    expect(amountFor(waves)).toBeLessThan(0.15);
  });

  test('is nothing where nothing is to be seen', () => {
    expect(amountFor(paint(1024, 1024, () => 99))).toBe(0);
  });
});
