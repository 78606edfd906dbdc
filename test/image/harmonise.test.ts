import { describe, expect, test } from 'vitest';
import { harmoniseColours } from '#image/harmonise.ts';
import { createNormal, paint, shape } from './rasters.ts';

const region = shape(256, 256, (x, y) => Math.abs(x - 128) < 56 && y >= 145 && y < 225);
const inside = (x: number, y: number) => region.data[y * 256 + x]! > 0;
const skin = (x: number, y: number, c: number) => 170 - 25 * c - 0.004 * (x - 128) ** 2 + 0.15 * y;
const at = (x: number, y: number) => (y * 256 + x) * 3;

describe('harmonising', () => {
  test('takes most of a tint off the restored part', () => {
    const tint = [14, -10, 0];
    const normal = createNormal(1);
    const tinted = paint(256, 256, (x, y, c) => skin(x, y, c) + (inside(x, y) ? tint[c]! : 0) + 2 * normal());
    const { data } = harmoniseColours(tinted, region);
    const shift = (c: number) => data[at(128, 190) + c]! - tinted.data[at(128, 190) + c]!;
    expect(shift(0)).toBeCloseTo(-14, -0.8);
    expect(shift(1)).toBeCloseTo(10, -0.8);
    expect(Math.abs(shift(2))).toBeLessThan(0.5);
  });

  test('changes nothing to speak of where nothing is wrong', () => {
    const right = paint(256, 256, skin);
    const { data } = harmoniseColours(right, region);
    const worst = data.reduce((most, value, i) => Math.max(most, Math.abs(value - right.data[i]!)), 0);
    expect(worst).toBeLessThan(0.5);
  });

  test('leaves the known pixels exactly as they are', () => {
    const tinted = paint(256, 256, (x, y, c) => skin(x, y, c) + (inside(x, y) ? 30 : 0));
    const { data } = harmoniseColours(tinted, region);
    const touched = region.data.filter((value, i) => value === 0 && data[i * 3] !== tinted.data[i * 3]);
    expect(touched).toHaveLength(0);
  });

  test('is not led astray by a strap, glasses or a lock of hair on a quarter of the border', () => {
    const tinted = paint(256, 256, (x, y, c) =>
      !inside(x, y) && x < 105 ? 20 : skin(x, y, c) + (inside(x, y) ? 12 : 0),
    );
    const { data } = harmoniseColours(tinted, region);
    const shift = data[at(128, 190)]! - tinted.data[at(128, 190)]!;
    expect(shift).toBeLessThan(-7);
    expect(shift).toBeGreaterThan(-14);
  });

  test('does nothing without an upper border across the face', () => {
    const picture = paint(256, 256, (_, y) => (y < 20 ? 0 : 200));
    const everything = shape(256, 256, () => true);
    expect([...harmoniseColours(picture, everything).data.subarray(0, 3000)]).toEqual([
      ...picture.data.subarray(0, 3000),
    ]);
    const one = paint(1, 1, () => 9);
    expect([
      ...harmoniseColours(
        one,
        shape(1, 1, () => true),
      ).data,
    ]).toEqual([9, 9, 9]);
  });
});
