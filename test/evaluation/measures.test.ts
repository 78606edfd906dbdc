import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { createRaster, type Plane, type Raster } from '#image/raster.ts';
import {
  gradientEnergy,
  intersectionOverUnion,
  type MeasureName,
  measureAnswer,
  measureNames,
  measureOutline,
  shareLeftOver,
} from '../../scripts/evaluation/measures.ts';

/** Without what is only measured of outlines. */
type Vector = Readonly<Partial<Record<MeasureName, number>> & { width: number; height: number }>;
const vectors: readonly Vector[] = JSON.parse(readFileSync(new URL('vectors/measures.json', import.meta.url), 'utf8'));

const plane = (width: number, height: number, value: (x: number, y: number) => number): Plane => ({
  width,
  height,
  data: Float32Array.from({ length: width * height }, (_, pixel) => value(pixel % width, Math.floor(pixel / width))),
});

const raster = (width: number, height: number, value: (x: number, y: number, c: number) => number): Raster =>
  createRaster(
    width,
    height,
    3,
    Uint8Array.from({ length: 3 * width * height }, (_, at) => {
      const pixel = Math.floor(at / 3);
      return value(pixel % width, Math.floor(pixel / width), at % 3);
    }),
  );

// The formulas are those of vectors/measures.py.
const truthAt = (x: number, y: number, c: number) =>
  64 + (((x * (3 + c) + y * (5 + 2 * c) + ((x * y) >> 4) * (c + 1)) & 255) >> 1);
const answerAt = (x: number, y: number, c: number) =>
  Math.min(255, Math.max(0, truthAt(x, y, c) + 6 * (((7 * x + 13 * y + 5 * c) % 11) - 5)));

test.each(vectors)('$width x $height: every figure is that of evaluate.py', ({ width, height, ...expected }) => {
  const isGarment = (x: number, y: number) =>
    (4 * x - 2 * width) ** 2 * height ** 2 + (4 * y - 3 * height) ** 2 * width ** 2 < width ** 2 * height ** 2 * 4;
  const garment = plane(width, height, (x, y) => Number(isGarment(x, y)));
  const fabric = plane(width, height, (x, y) => Number(isGarment(x, y) && 8 * y > 5 * height));
  const measures = measureAnswer(
    raster(width, height, truthAt),
    { garment, fabric },
    {
      raster: raster(width, height, answerAt),
      restored: plane(width, height, (x, y) => Number(isGarment(x, y) && 3 * x < 2 * width)),
      probability: plane(width, height, (x, y) => ((x * 31 + y * 17) % 97) / 96),
    },
  );
  for (const name of measureNames) {
    const figure = expected[name];
    if (figure === undefined) expect(measures[name], name).toBeNull();
    else expect(measures[name], name).toBeCloseTo(figure, 9);
  }
});

test('gradient energy of a ramp by hand', () => {
  // 2 rows of 2 horizontal pairs, 4 levels apart; vertical pairs are flat.
  const region = plane(10, 5, (x, y) => Number(y >= 1 && y < 3 && x >= 2 && x < 5));
  expect(
    gradientEnergy(
      raster(10, 5, (x) => 4 * x),
      region,
    ),
  ).toBeCloseTo(4 * 16, 9);
});

test('a row does not go on in the next one', () => {
  const everywhere = plane(2, 2, () => 1);
  expect(
    gradientEnergy(
      raster(2, 2, (x) => 10 * x),
      everywhere,
    ),
  ).toBeCloseTo(2 * 100, 9);
});

test('overlap and left-over of two regions by hand', () => {
  const one = plane(4, 1, (x) => Number(x < 2));
  const other = plane(4, 1, (x) => Number(x === 1 || x === 2));
  expect(intersectionOverUnion(one, other)).toBeCloseTo(1 / 3, 12);
  expect(shareLeftOver(one, other)).toBe(0.5);
  expect(
    shareLeftOver(
      plane(4, 1, () => 0),
      other,
    ),
  ).toBeNull();
});

test('of an outlined mask: the fabric and, apart from it, the straps left over, the eyes and the ears erased', () => {
  // Fabric on the left half, a strap of 10 px along row 4, an eye of 4 x 2 px below it, an ear of 5 px above, nothing known from column 30 on; columns 27 and later are far.
  const eye = (x: number, y: number) => x >= 20 && x < 24 && (y === 5 || y === 6);
  const ear = (x: number, y: number) => x >= 21 && x < 26 && y === 3;
  const beside = (x: number, y: number) => (eye(x, y) ? 160 : ear(x, y) ? 144 : x < 27 ? 128 : 136);
  const drawn = raster(40, 20, (x, y) => (x < 20 ? 255 : x >= 30 ? 0 : y === 4 ? 192 : beside(x, y)));
  const found = plane(40, 20, (x, y) => Number(x < 15 || x >= 29 || (y >= 3 && y <= 5 && x < 23)));
  const measures = measureOutline(drawn, { raster: drawn, restored: found, probability: found });
  expect(measures.leftOver).toBeCloseTo((5 * 17) / (20 * 20), 12);
  expect(measures.strapsLeft).toBeCloseTo(0.6, 12);
  expect(measures.eyesErased).toBeCloseTo(3 / 8, 12); // columns 20 to 22 of row 5
  expect(measures.earsErased).toBeCloseTo(2 / 5, 12); // columns 21 and 22
  expect(measures.beyondErased).toBeCloseTo(19 / (20 * 20), 12); // column 29 but for the strap
  // The opening leaves 3 pixels of the strap in the notch between it and the fabric found; with the whole strap it would be .733.
  expect(measures.iou).toBeCloseTo((15 * 20 + 3) / (20 * 20 + 20), 12);
  const bare = raster(40, 20, (x) => (x < 20 ? 255 : 128));
  expect(measureOutline(bare, { raster: bare, restored: found, probability: found })).toMatchObject({
    strapsLeft: null,
    eyesErased: null,
    earsErased: null,
  });
});
