import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { invertSimilarity } from '#image/geometry.ts';
import { createRandom } from '#image/random.ts';
import type { Raster } from '#image/raster.ts';
import { warpRaster } from '#image/warp.ts';
import { grey, paint, rowsOf } from './rasters.ts';

const identity = { a: 1, b: 0, tx: 0, ty: 0 };
const small = grey([
  [10, 20, 30],
  [40, 50, 60],
]);
/** Standard deviation of all bytes. */
const contrast = (bytes: Uint8Array) => {
  const mean = bytes.reduce((sum, byte) => sum + byte, 0) / bytes.length;
  return Math.sqrt(bytes.reduce((sum, byte) => sum + (byte - mean) ** 2, 0) / bytes.length);
};
/** Squared differences between horizontal neighbours in the middle 40x40 pixels of a 96x96 raster. */
const energyInside = ({ data }: Raster) => {
  let sum = 0;
  for (let y = 28; y < 68; y++) {
    for (let at = (y * 96 + 28) * 3; at < (y * 96 + 68) * 3; at++) sum += (data[at + 3]! - data[at]!) ** 2;
  }
  return sum;
};

describe('warping', () => {
  test('by the identity copies every byte', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 60, maxLength: 60 }), (data) => {
        const raster = { width: 5, height: 4, channels: 3, data } as const;
        expect([...warpRaster(raster, identity, 5, 4).data]).toEqual([...data]);
      }),
    );
  });

  test('leaves alpha out', () => {
    const raster = paint(3, 3, (x, y, c) => (c === 3 ? 7 : 10 * x + y), 4);
    expect(rowsOf(warpRaster(raster, identity, 3, 3))).toEqual(rowsOf(raster));
  });

  test('by a quarter turn moves rows to columns', () => {
    // Clockwise: (x, y) -> (1 - y, x).
    const turned = warpRaster(small, { a: Math.cos(Math.PI / 2), b: 1, tx: 1, ty: 0 }, 2, 3);
    expect(rowsOf(turned)).toEqual([
      [40, 10],
      [50, 20],
      [60, 30],
    ]);
  });

  test('by half a turn reverses rows and columns', () => {
    const turned = warpRaster(small, { a: -1, b: Math.sin(Math.PI), tx: 2, ty: 1 }, 3, 2);
    expect(rowsOf(turned)).toEqual([
      [60, 50, 40],
      [30, 20, 10],
    ]);
  });

  test('repeats the edge outside the photo', () => {
    const shifted = warpRaster(small, { ...identity, tx: 2, ty: 1 }, 6, 4);
    expect(rowsOf(shifted)).toEqual([
      [10, 10, 10, 20, 30, 30],
      [10, 10, 10, 20, 30, 30],
      [40, 40, 40, 50, 60, 60],
      [40, 40, 40, 50, 60, 60],
    ]);
  });

  test('shows the nearest corner when it lies wholly outside', () => {
    expect(rowsOf(warpRaster(small, { ...identity, tx: -500, ty: -500 }, 2, 1))).toEqual([[60, 60]]);
  });

  test('of one pixel fills the target with it, enlarged or shrunk', () => {
    const one = grey([[99]]);
    for (const a of [0.01, 0.6, 1, 7])
      expect(new Set(warpRaster(one, { ...identity, a }, 4, 4).data)).toEqual(new Set([99]));
  });

  test('shrinking by two turns a checkerboard into its mean', () => {
    const checks = paint(8, 8, (x, y) => 200 * ((x + y) % 2));
    const target = warpRaster(checks, { a: 0.5, b: 0, tx: -0.25, ty: -0.25 }, 4, 4);
    for (const value of rowsOf(target)
      .slice(1, 3)
      .flatMap((row) => row.slice(1, 3)))
      expect(value).toBe(100);
  });

  test('shrinking tenfold turns fine stripes and checks into nearly even grey, as the area under a pixel would', () => {
    for (const period of [2, 3, 4, 5]) {
      for (const angle of [0, 0.3, Math.PI / 4]) {
        const raster = paint(400, 400, (x, y) => ((x + (period % 2) * y) % period < period / 2 ? 255 : 0));
        const [a, b] = [0.1 * Math.cos(angle), 0.1 * Math.sin(angle)];
        const toTarget = { a, b, tx: 10 - 200 * (a - b), ty: 8 - 200 * (a + b) };
        // Of 127; the mean over the area under each pixel leaves up to 19.
        expect(contrast(warpRaster(raster, toTarget, 20, 16).data)).toBeLessThan(19);
      }
    }
  });

  test('there and back changes a smooth picture by less than a level on average', () => {
    const raster = paint(96, 96, (x, y, c) => 128 + 60 * Math.sin(x / 9 + c) + 50 * Math.cos(y / 11));
    const turn = { a: 1.3 * Math.cos(0.4), b: 1.3 * Math.sin(0.4), tx: 40, ty: 5 };
    const square = turn.a ** 2 + turn.b ** 2;
    const back = {
      a: turn.a / square,
      b: -turn.b / square,
      tx: -(turn.a * turn.tx + turn.b * turn.ty) / square,
      ty: (turn.b * turn.tx - turn.a * turn.ty) / square,
    };
    const round = warpRaster(warpRaster(raster, turn, 200, 200), back, 96, 96);
    let [sum, count] = [0, 0];
    for (let y = 20; y < 76; y++) {
      for (let at = (y * 96 + 20) * 3; at < (y * 96 + 76) * 3; at++, count++)
        sum += Math.abs(round.data[at]! - raster.data[at]!);
    }
    expect(sum / count).toBeLessThan(1);
  });

  test('there and back at nearly its own size keeps a picture as sharp as it was', () => {
    const random = createRandom(1);
    const cells = Array.from({ length: 98 * 98 }, () => random() >>> 24);
    // Fine, but as in a photo not as fine as pixels: white noise after a 3x3 binomial.
    const across = (at: number) => (cells[at]! + 2 * cells[at + 1]! + cells[at + 2]!) / 4;
    const raster = paint(96, 96, (x, y) => {
      const at = y * 98 + x;
      return (across(at) + 2 * across(at + 98) + across(at + 196)) / 4;
    });
    for (const turn of [0.02, 0.4, Math.PI / 4]) {
      const toTarget = { a: 1.02 * Math.cos(turn), b: 1.02 * Math.sin(turn), tx: 40.3, ty: 10.6 };
      const round = warpRaster(warpRaster(raster, toTarget, 160, 160), invertSimilarity(toTarget), 96, 96);
      const kept = energyInside(round) / energyInside(raster);
      expect(kept).toBeGreaterThan(0.9);
      expect(kept).toBeLessThan(1.05);
    }
  });

  test('does not write into its source', () => {
    const before = small.data.slice();
    warpRaster(small, { a: 0.3, b: 0.2, tx: 1, ty: 1 }, 4, 4);
    expect(small.data).toEqual(before);
  });
});
