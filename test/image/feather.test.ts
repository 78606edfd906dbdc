import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { distanceToOutside, fadeTowards, featherRegion, isFurtherFrom } from '#image/feather.ts';
import { plane, shape } from './rasters.ts';

const bits = fc.array(fc.constantFrom(0, 1), { minLength: 64, maxLength: 64 });

describe('the feather', () => {
  test('rises from the border inwards', () => {
    const line = plane([[0, 1, 1, 1, 1, 1, 0]]);
    const tall = {
      width: 7,
      height: 9,
      data: Float32Array.from(
        Array(9)
          .fill([...line.data])
          .flat(),
      ),
    };
    const middle = [...featherRegion(tall, 1).data.subarray(4 * 7, 5 * 7)];
    expect(middle).toEqual([0, 0.5, 1, 1, 1, 0.5, 0]);
  });

  test('of no width is the region', () => {
    const cross = plane([
      [0, 1, 0],
      [1, 1, 1],
      [0, 1, 0],
    ]);
    expect([...featherRegion(cross, 0).data]).toEqual([...cross.data]);
  });

  test('counts the picture’s edge as a border too', () => {
    const full = featherRegion(
      shape(5, 5, () => true),
      1,
    );
    expect(full.data[0]).toBe(0.5);
    expect(full.data[12]).toBe(1);
  });

  test('falls towards the sides beyond which something goes on, and towards no other', () => {
    const full = shape(6, 6, () => true);
    const nowhere = { left: false, top: false, right: false, bottom: false };
    expect(fadeTowards(nowhere, full, 3).data).toEqual(full.data);
    const { data } = fadeTowards({ ...nowhere, right: true }, full, 3);
    const row = [1, 1, 1, 0.84375, 0.5, 0.15625];
    expect([...data]).toEqual(Array(6).fill(row).flat());
    const corner = fadeTowards({ ...nowhere, left: true, top: true }, full, 3);
    expect([corner.data[0], corner.data[1], corner.data[14], corner.data[35]]).toEqual([0.15625, 0.15625, 0.84375, 1]);
  });

  test('is 0 outside the region, above 0 inside, never above 1', () => {
    fc.assert(
      fc.property(bits, fc.integer({ min: 0, max: 6 }), (region, width) => {
        const { data } = featherRegion({ width: 8, height: 8, data: Float32Array.from(region) }, width);
        region.forEach((inside, at) => {
          if (inside) expect(data[at]).toBeGreaterThan(0);
          else expect(data[at]).toBe(0);
          expect(data[at]).toBeLessThanOrEqual(1);
        });
      }),
    );
  });

  test('is nowhere lower in a larger region', () => {
    fc.assert(
      fc.property(bits, bits, (one, other) => {
        const small = featherRegion({ width: 8, height: 8, data: Float32Array.from(one) }, 3).data;
        const large = featherRegion({ width: 8, height: 8, data: Float32Array.from(one, (v, i) => v || other[i]!) }, 3);
        small.forEach((opacity, at) => {
          expect(large.data[at]).toBeGreaterThanOrEqual(opacity);
        });
      }),
    );
  });
});

test('distances differ from straight lines by at most 8 %', () => {
  const distances = distanceToOutside(shape(41, 41, (x, y) => x !== 20 || y !== 20));
  for (const [x, y] of [
    [10, 20],
    [12, 12],
    [15, 10],
    [24, 28],
  ] as const) {
    const straight = Math.min(Math.hypot(x - 20, y - 20), x + 1, y + 1, 41 - x, 41 - y);
    expect(Math.abs(distances[y * 41 + x]! / straight - 1)).toBeLessThan(0.08);
  }
});

test('a pixel is further from the region than so many pixels when the distance out of all that is not region says so', () => {
  fc.assert(
    fc.property(
      fc.array(fc.boolean(), { minLength: 99, maxLength: 99 }),
      fc.integer({ min: 0, max: 5 }),
      fc.boolean(),
      (drawn, distance, sparse) => {
        const data = Float32Array.from(drawn, (inside, at) => (inside && (!sparse || at % 17 === 0) ? 1 : 0));
        const outside = { width: 11, height: 9, data: data.map((value) => 1 - value) };
        distanceToOutside(outside).forEach((away, at) => {
          const [column, row] = [at % 11, Math.floor(at / 11)];
          expect(isFurtherFrom({ width: 11, height: 9, data }, column, row, distance)).toBe(away > distance);
        });
      },
    ),
  );
});
