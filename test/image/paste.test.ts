import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { measureGrain } from '#image/grain.ts';
import { pasteRegion } from '#image/paste.ts';
import type { Plane, Raster } from '#image/raster.ts';
import { warpRaster } from '#image/warp.ts';
import { createNormal, grey, paint, plane, rowsOf, shape } from './rasters.ts';

const identity = { a: 1, b: 0, tx: 0, ty: 0 };
const hard = { featherPixels: 0, grain: null, harmonise: false } as const;
const oval = shape(256, 256, (x, y) => ((x - 128) / 54) ** 2 + ((y - 185) / 45) ** 2 < 1);

/** Indices of pixels that differ, alpha included. */
function changed(before: Raster, after: Raster): number[] {
  const { width, height, channels } = before;
  return Array.from({ length: width * height }, (_, i) => i).filter((i) =>
    Array.from({ length: channels }, (_, c) => i * channels + c).some((at) => before.data[at] !== after.data[at]),
  );
}

/** Number of changed pixels that the reported region does not hold. */
function strays(before: Raster, { raster, region: { box, plane: inside } }: ReturnType<typeof pasteRegion>): number {
  return changed(before, raster).filter((i) => {
    const [x, y] = [(i % before.width) - box.x, Math.floor(i / before.width) - box.y];
    return !(x >= 0 && y >= 0 && x < box.width && y < box.height && inside.data[y * box.width + x] === 1);
  }).length;
}

describe('pasting', () => {
  test('replaces the pixels of the region and no other', () => {
    const photo = grey([
      [1, 2, 3],
      [4, 5, 6],
      [7, 8, 9],
    ]);
    const unmasked = paint(3, 3, () => 200);
    const region = plane([
      [0, 0, 0],
      [0, 1, 1],
      [0, 0, 0],
    ]);
    const pasted = pasteRegion(photo, { unmasked, region }, identity, hard);
    expect(rowsOf(pasted.raster)).toEqual([
      [1, 2, 3],
      [4, 200, 200],
      [7, 8, 9],
    ]);
    expect(pasted.region.box).toEqual({ x: 1, y: 1, width: 2, height: 1 });
    expect([...pasted.region.plane.data]).toEqual([1, 1]);
  });

  test('finds its place in a larger photo', () => {
    const photo = paint(5, 4, () => 10);
    const pasted = pasteRegion(
      photo,
      { unmasked: grey([[50, 60]]), region: plane([[1, 0]]) },
      { ...identity, tx: -3, ty: -2 },
      hard,
    );
    expect(rowsOf(pasted.raster)).toEqual([
      [10, 10, 10, 10, 10],
      [10, 10, 10, 10, 10],
      [10, 10, 10, 50, 10],
      [10, 10, 10, 10, 10],
    ]);
  });

  test('fades in from the border', () => {
    const photo = paint(7, 7, () => 0);
    const region = shape(7, 7, (x, y) => x > 0 && x < 6 && y > 0 && y < 6);
    const pasted = pasteRegion(photo, { unmasked: paint(7, 7, () => 200), region }, identity, {
      ...hard,
      featherPixels: 1,
    });
    expect(rowsOf(pasted.raster)[3]).toEqual([0, 100, 200, 200, 200, 100, 0]);
  });

  test('keeps alpha', () => {
    const photo = paint(4, 4, (x, y, c) => (c === 3 ? 16 * y + x : 9), 4);
    const { raster } = pasteRegion(
      photo,
      { unmasked: paint(4, 4, () => 90), region: shape(4, 4, () => true) },
      identity,
      hard,
    );
    expect(raster.channels).toBe(4);
    expect(rowsOf(raster, 3)).toEqual(rowsOf(photo, 3));
    expect(rowsOf(raster)[1]![1]).toBe(90);
  });

  test('of an empty region changes nothing', () => {
    const photo = paint(4, 4, (x) => x);
    const pasted = pasteRegion(photo, { unmasked: photo, region: shape(4, 4, () => false) }, identity);
    expect(pasted.raster.data).toEqual(photo.data);
    expect(pasted.region).toEqual({
      box: { x: 0, y: 0, width: 0, height: 0 },
      plane: { width: 0, height: 0, data: new Float32Array(0) },
    });
  });

  test('of a region that lies outside the photo changes nothing', () => {
    const photo = paint(4, 4, (x) => x);
    const pasted = pasteRegion(photo, { unmasked: photo, region: shape(4, 4, () => true) }, { ...identity, tx: 900 });
    expect(pasted.raster.data).toEqual(photo.data);
    expect(pasted.region.plane.data).toHaveLength(0);
  });

  test('of what the photo shows anyway gives the photo', () => {
    const photo = paint(300, 280, (x, y, c) => 128 + 50 * Math.sin(x / 13 + c) + 40 * Math.cos(y / 17));
    const toCrop = { a: 1.1 * Math.cos(0.5), b: 1.1 * Math.sin(0.5), tx: 30, ty: -60 };
    const unmasked = warpRaster(photo, toCrop, 256, 256);
    const { raster } = pasteRegion(photo, { unmasked, region: oval }, toCrop, { ...hard, featherPixels: 4 });
    const worst = raster.data.reduce((most, value, i) => Math.max(most, Math.abs(value - photo.data[i]!)), 0);
    expect(worst).toBeLessThanOrEqual(2);
  });

  test('changes no pixel outside the region it reports, whatever the similarity', () => {
    const photo = paint(120, 90, (x, y, c) => (x * 7 + y * 5 + c * 31) % 256);
    const unmasked = paint(256, 256, () => 250);
    fc.assert(
      fc.property(
        fc.double({ min: 0.2, max: 6, noNaN: true }),
        fc.double({ min: -Math.PI, max: Math.PI, noNaN: true }),
        fc.double({ min: -20, max: 140, noNaN: true }),
        fc.boolean(),
        (scale, angle, x, grain) => {
          const [a, b] = [scale * Math.cos(angle), scale * Math.sin(angle)];
          const toCrop = { a, b, tx: 128 - (a * x - b * 45), ty: 180 - (b * x + a * 45) };
          const pasted = pasteRegion(photo, { unmasked, region: oval }, toCrop, { grain: grain ? { seed: 1 } : null });
          expect(strays(photo, pasted)).toBe(0);
        },
      ),
      { numRuns: 30 },
    );
  });

  test('reports a region as large as the crop’s, to a pixel of the crop', () => {
    const photo = paint(200, 200, () => 0);
    const toCrop = { a: 2, b: 0, tx: -72, ty: -60 };
    const { region } = pasteRegion(photo, { unmasked: paint(256, 256, () => 255), region: oval }, toCrop, hard);
    const area = (p: Plane) => p.data.reduce((sum, value) => sum + value, 0);
    const grown = shape(256, 256, (x, y) => ((x - 128) / 56) ** 2 + ((y - 185) / 47) ** 2 < 1);
    const shrunken = shape(256, 256, (x, y) => ((x - 128) / 52) ** 2 + ((y - 185) / 43) ** 2 < 1);
    expect(area(region.plane) * 4).toBeLessThan(area(grown));
    expect(area(region.plane) * 4).toBeGreaterThan(area(shrunken));
  });

  test('gives the restored part the grain of the skin beside it, the same for the same seed', () => {
    const normal = createNormal(11);
    const sigma = 8;
    const photo = paint(900, 900, (x, y, c) => 150 - 20 * c + x / 60 + y / 40 + sigma * normal());
    const toCrop = { a: 0.28, b: 0, tx: 0, ty: 0 };
    const unmasked = paint(256, 256, (x, y, c) => 150 - 20 * c + x / 0.28 / 60 + y / 0.28 / 40);
    const paste = (seed: number | null) =>
      pasteRegion(photo, { unmasked, region: oval }, toCrop, { grain: seed === null ? null : { seed } });
    const blocks = [0, 1, 2, 3].map((i) => ({ x: 400 + 48 * (i % 2), y: 600 + 48 * (i >> 1), side: 48 }));
    const finest = (raster: Raster) => measureGrain(raster, blocks, 1)!.lightness[0]!;
    expect(finest(paste(null).raster)).toBeLessThan(0.5);
    expect(Math.sqrt(finest(paste(1).raster) / (sigma ** 2 / 3))).toBeCloseTo(1, 0.9);
    expect(paste(1).raster.data).toEqual(paste(1).raster.data);
    expect(paste(1).raster.data).not.toEqual(paste(2).raster.data);
  });

  test('takes neither hair on the forehead nor eyes for grain where the cheeks are smooth', () => {
    const normal = createNormal(12);
    const scale = 0.28;
    const smooth = (x: number, y: number) => y > 0.51 || (y > 0.35 && Math.abs(x - 0.5) < 0.045);
    const photo = paint(900, 900, (x, y) => 140 + (smooth((x * scale) / 256, (y * scale) / 256) ? 0 : 12) * normal());
    const unmasked = paint(256, 256, () => 140);
    const mask = shape(256, 256, (x, y) => ((x - 128) / 80) ** 2 + ((y - 190) / 50) ** 2 < 1);
    const toCrop = { a: scale, b: 0, tx: 0, ty: 0 };
    const { raster } = pasteRegion(photo, { unmasked, region: mask }, toCrop, { grain: { seed: 1 } });
    expect(
      measureGrain(
        raster,
        [400, 448, 496].map((x) => ({ x, y: 650, side: 48 })),
        1,
      )!.lightness[0],
    ).toBeLessThan(0.5);
  });

  test('adds no grain where the skin has none', () => {
    const photo = paint(600, 600, () => 140);
    const unmasked = paint(256, 256, () => 140);
    const { raster } = pasteRegion(
      photo,
      { unmasked, region: oval },
      { a: 0.4, b: 0, tx: 0, ty: 0 },
      { grain: { seed: 1 } },
    );
    expect(raster.data).toEqual(photo.data);
  });

  test('leaves no straight edge where a region reaches the end of the crop and the photo goes on', () => {
    const toCrop = { a: 1, b: 0, tx: -100, ty: -100 };
    const scarf = shape(256, 256, (_, y) => y > 150);
    const unmasked = paint(256, 256, () => 220);
    const steps = (photo: Raster): number => {
      const { raster } = pasteRegion(photo, { unmasked, region: scarf }, toCrop, { harmonise: false });
      const rows = Array.from({ length: photo.height }, (_, y) => raster.data[(y * photo.width + 228) * 3]!);
      return Math.max(...rows.slice(300).map((value, y) => Math.abs(value - (rows[300 + y + 1] ?? value))));
    };
    expect(steps(paint(456, 456, () => 60))).toBeLessThan(12);
    // Where the photo ends as well, its last row is restored whole.
    const { raster } = pasteRegion(
      paint(456, 356, () => 60),
      { unmasked, region: shape(256, 256, () => true) },
      toCrop,
      {
        harmonise: false,
        featherPixels: 1,
      },
    );
    expect(raster.data[(354 * 456 + 228) * 3]).toBe(220);
  });

  test.each([
    { scale: 0.4, left: 0.85 },
    { scale: 0.7, left: 0.75 },
    { scale: 1.02, left: 1 }, // nothing is lost at its own size
    { scale: 1.45, left: 0.3 },
  ])(
    'of the error in edges, there and back at a scale of $scale, sharpening leaves $left at most',
    ({ scale, left }) => {
      const size = Math.round(256 / scale);
      const photo = paint(size, size, (x, y) => {
        const [u, v] = [((x * scale * 1.3) % 40) - 20, ((y * scale * 1.1) % 40) - 20];
        return 60 + 120 / (1 + Math.exp((Math.hypot(u, v) - 12) / (0.5 * scale))); // discs whose edge takes two pixels
      });
      const toCrop = { a: scale * Math.cos(0.05), b: scale * Math.sin(0.05), tx: 6.3, ty: -6.4 };
      const crop = { unmasked: warpRaster(photo, toCrop, 256, 256), region: oval };
      const error = (sharpen: boolean) => {
        const { raster } = pasteRegion(photo, crop, toCrop, { ...hard, sharpen });
        return raster.data.reduce((sum, value, at) => sum + (value - photo.data[at]!) ** 2, 0);
      };
      expect(error(true)).toBeLessThanOrEqual(left * error(false));
    },
  );

  test('does not write into the photo', () => {
    const photo = paint(8, 8, () => 5);
    pasteRegion(photo, { unmasked: paint(8, 8, () => 99), region: shape(8, 8, () => true) }, identity);
    expect(new Set(photo.data)).toEqual(new Set([5]));
  });

  test('needs a crop and a region of one size', () => {
    const photo = paint(4, 4, () => 0);
    expect(() => pasteRegion(photo, { unmasked: photo, region: plane([[1]]) }, identity)).toThrow(
      'Expected a region of 4x4 pixels but received 1x1.',
    );
  });
});
