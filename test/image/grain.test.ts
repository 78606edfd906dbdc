import { describe, expect, test } from 'vitest';
import { calmerGrain, type Grain, limitGrain, measureGrain, missingGrain, synthesiseGrain } from '#image/grain.ts';
import { createNormal, paint } from './rasters.ts';

const none = [0, 0, 0, 0, 0, 0];
const blocksOf = (size: number, side: number) =>
  Array.from({ length: (size / side) ** 2 }, (_, i) => ({
    x: (i * side) % size,
    y: Math.floor((i * side) / size) * side,
    side,
  }));

describe('measured grain', () => {
  test('of white noise has its variance in the finest octave and a quarter of it in each next', () => {
    const normal = createNormal(1);
    const noisy = paint(256, 256, () => 128 + 12 * normal());
    const grain = measureGrain(noisy, blocksOf(256, 64), 3)!;
    const lightness = 144 / 3; // mean of three independent channels
    expect(grain.lightness[0]! / lightness).toBeCloseTo(1, 0.9);
    expect(grain.lightness[1]! / lightness).toBeCloseTo(1 / 4, 1);
    expect(grain.lightness[2]! / lightness).toBeCloseTo(1 / 16, 1);
    expect(grain.redBlue[0]! / 288).toBeCloseTo(1, 0.9);
    expect(grain.green[0]! / 216).toBeCloseTo(1, 0.9);
  });

  test('of shading is next to nothing', () => {
    const grain = measureGrain(
      paint(128, 128, (x, y) => x + y / 2),
      blocksOf(128, 32),
      3,
    )!;
    expect(Math.max(...grain.lightness)).toBeLessThan(0.15);
  });

  test('is that of the calmer blocks, not of edges', () => {
    const normal = createNormal(2);
    const halfHatched = paint(256, 256, (x) => 128 + (x >= 128 ? 60 * Math.sin(x) : 0) + 5 * normal());
    const grain = measureGrain(halfHatched, blocksOf(256, 32), 1)!;
    expect(grain.lightness[0]! / (25 / 3)).toBeCloseTo(1, 0.9);
  });

  test('needs three blocks', () => {
    const picture = paint(64, 64, () => 1);
    expect(measureGrain(picture, blocksOf(64, 32).slice(0, 2), 1)).toBeUndefined();
  });
});

test('what is missing is the difference of the variances, never below 0', () => {
  const wanted = { lightness: [9, 4], redBlue: [1, 1], green: [2, 0] };
  const present = { lightness: [1, 5], redBlue: [1, 0], green: [0, 3] };
  expect(missingGrain(wanted, present)).toEqual({ lightness: [8, 0], redBlue: [0, 1], green: [2, 0] });
});

test('the calmer of two is the weaker one in every octave', () => {
  const hairy = { lightness: [9, 1], redBlue: [4, 4], green: [0, 2] };
  const shaded = { lightness: [3, 5], redBlue: [5, 3], green: [1, 1] };
  expect(calmerGrain(hairy, shaded)).toEqual({ lightness: [3, 1], redBlue: [4, 3], green: [0, 1] });
});

test('grain stronger than the noise is weakened to it, weaker is left', () => {
  const whiteNoise = { lightness: [12, 3], redBlue: [72, 18], green: [54, 13.5] }; // sigma 6
  expect(limitGrain(whiteNoise, 3)).toEqual({ lightness: [3, 0.75], redBlue: [18, 4.5], green: [13.5, 3.375] });
  expect(limitGrain(whiteNoise, 7)).toEqual(whiteNoise);
});

describe('synthesised grain', () => {
  const grain: Grain = { lightness: [60, 40, 30, 25], redBlue: [20, 30, 10, 4], green: [0, 0, 0, 0] };

  test('measures what was asked for, octave by octave', () => {
    const { data } = synthesiseGrain(grain, 512, 5);
    const picture = paint(512, 512, (x, y, c) => 128 + data[(y * 512 + x) * 3 + c]!);
    const whole = measureGrain(picture, [...Array(3)].fill({ x: 0, y: 0, side: 512 }), 4)!;
    for (const octave of [0, 1, 2, 3]) {
      expect(whole.lightness[octave]! / grain.lightness[octave]!).toBeCloseTo(1, 0.9);
      expect(whole.redBlue[octave]! / grain.redBlue[octave]!).toBeCloseTo(1, 0.7);
      expect(whole.green[octave]!).toBeLessThan(0.5);
    }
  });

  test('is the same for the same seed, and another for another', () => {
    expect(synthesiseGrain(grain, 64, 9).data).toEqual(synthesiseGrain(grain, 64, 9).data);
    expect(synthesiseGrain(grain, 64, 9).data).not.toEqual(synthesiseGrain(grain, 64, 10).data);
  });

  test('joins itself without an edge', () => {
    const side = 128;
    const { data } = synthesiseGrain({ lightness: [0, 0, 0, 50], redBlue: none, green: none }, side, 1);
    const step = (x: number) => {
      let sum = 0;
      for (let y = 0; y < side; y++) sum += (data[(y * side + x) * 3]! - data[(y * side + ((x + 1) % side)) * 3]!) ** 2;
      return sum;
    };
    const typical = Array.from({ length: side - 1 }, (_, x) => step(x)).reduce((a, b) => a + b, 0) / (side - 1);
    expect(step(side - 1)).toBeLessThan(2 * typical);
  });

  test('of no strength is silence', () => {
    expect(synthesiseGrain({ lightness: none, redBlue: none, green: none }, 128, 3).data.every((v) => v === 0)).toBe(
      true,
    );
  });
});
