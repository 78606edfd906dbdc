import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  alignFace,
  applySimilarity,
  composeSimilarity,
  cropEyes,
  invertSimilarity,
  type Similarity,
  similarityFromPoints,
  similarityScale,
} from '#image/geometry.ts';

const coordinate = fc.double({ min: -4000, max: 4000, noNaN: true });
const point = fc.record({ x: coordinate, y: coordinate });
const similarity: fc.Arbitrary<Similarity> = fc
  .record({
    scale: fc.double({ min: 0.05, max: 20, noNaN: true }),
    angle: fc.double({ min: -Math.PI, max: Math.PI, noNaN: true }),
    tx: coordinate,
    ty: coordinate,
  })
  .map(({ scale, angle, tx, ty }) => ({ a: scale * Math.cos(angle), b: scale * Math.sin(angle), tx, ty }));

describe('a similarity', () => {
  test('turns, scales, then shifts', () => {
    expect(applySimilarity({ a: 0, b: 2, tx: 10, ty: 20 }, { x: 3, y: 1 })).toEqual({ x: 8, y: 26 });
    expect(similarityScale({ a: 3, b: -4, tx: 1, ty: 1 })).toBe(5);
  });

  test('is undone by its inverse', () => {
    fc.assert(
      fc.property(similarity, point, (forward, start) => {
        const back = applySimilarity(invertSimilarity(forward), applySimilarity(forward, start));
        expect(back.x).toBeCloseTo(start.x, 5);
        expect(back.y).toBeCloseTo(start.y, 5);
      }),
    );
  });

  test('composes like its steps one after the other', () => {
    fc.assert(
      fc.property(similarity, similarity, point, (second, first, start) => {
        const atOnce = applySimilarity(composeSimilarity(second, first), start);
        const inSteps = applySimilarity(second, applySimilarity(first, start));
        expect(atOnce.x / 1e5).toBeCloseTo(inSteps.x / 1e5, 8);
        expect(atOnce.y / 1e5).toBeCloseTo(inSteps.y / 1e5, 8);
      }),
    );
  });

  test('without scale has no inverse', () => {
    expect(() => invertSimilarity({ a: 0, b: 0, tx: 1, ty: 2 })).toThrow('scale above 0');
  });
});

describe('the similarity from two points', () => {
  test('takes one to one and two to two', () => {
    const quarterTurn = similarityFromPoints(
      [
        { x: 0, y: 0 },
        { x: 1, y: 0 },
      ],
      [
        { x: 5, y: 5 },
        { x: 5, y: 7 },
      ],
    );
    expect(quarterTurn).toEqual({ a: 0, b: 2, tx: 5, ty: 5 });
  });

  test('finds the similarity that moved the points', () => {
    fc.assert(
      fc.property(similarity, point, (moved, start) => {
        const other = { x: start.x + 30, y: start.y - 20 };
        const found = similarityFromPoints(
          [start, other],
          [applySimilarity(moved, start), applySimilarity(moved, other)],
        );
        expect(found.a).toBeCloseTo(moved.a, 6);
        expect(found.b).toBeCloseTo(moved.b, 6);
      }),
    );
  });

  test('needs two different points', () => {
    const twice = { x: 3, y: 4 };
    expect(() => similarityFromPoints([twice, twice], [twice, { x: 0, y: 0 }])).toThrow('(3, 4) twice');
  });
});

describe('aligning a face', () => {
  const upright = {
    eyes: [
      { x: 400, y: 300 },
      { x: 520, y: 300 },
    ],
    box: { x: 340, y: 180, width: 240, height: 300 },
  } as const;

  test('brings the eyes to their places in the crop', () => {
    const toCrop = alignFace(upright);
    expect(applySimilarity(toCrop, upright.eyes[0])).toEqual(cropEyes[0]);
    expect(applySimilarity(toCrop, upright.eyes[1])).toEqual(cropEyes[1]);
  });

  test('does so for any roll, the crop being upright', () => {
    fc.assert(
      fc.property(fc.double({ min: -Math.PI, max: Math.PI, noNaN: true }), (roll) => {
        const turn = { a: Math.cos(roll), b: Math.sin(roll), tx: 900, ty: 700 };
        const [right, left] = upright.eyes.map((eye) => applySimilarity(turn, eye));
        const centre = applySimilarity(turn, { x: 460, y: 330 });
        // The box of an ellipse of 240 x 300, turned.
        const width = 2 * Math.hypot(120 * turn.a, 150 * turn.b);
        const height = 2 * Math.hypot(120 * turn.b, 150 * turn.a);
        const box = { x: centre.x - width / 2, y: centre.y - height / 2, width, height };
        const toCrop = alignFace({ eyes: [right!, left!], box });
        expect(applySimilarity(toCrop, right!).x).toBeCloseTo(98, 6);
        expect(applySimilarity(toCrop, left!).x).toBeCloseTo(158, 6);
        expect(applySimilarity(toCrop, left!).y).toBeCloseTo(118, 6);
      }),
    );
  });

  test('keeps the face in the crop when the head is turned and the eyes look close together', () => {
    const eyes = [
      { x: 440, y: 300 },
      { x: 480, y: 300 },
    ] as const;
    const toCrop = alignFace({ eyes, box: upright.box });
    expect(similarityScale(toCrop)).toBeCloseTo(60 / (0.36 * 300), 9);
    expect(applySimilarity(toCrop, { x: 460, y: 300 })).toEqual({ x: 128, y: 118 });
  });

  test('measures the height of a lying head along the box width', () => {
    const eyes = [
      { x: 300, y: 440 },
      { x: 300, y: 480 },
    ] as const;
    const toCrop = alignFace({ eyes, box: { x: 180, y: 340, width: 300, height: 240 } });
    expect(similarityScale(toCrop)).toBeCloseTo(60 / (0.36 * 300), 9);
  });

  test('refuses a face of no size', () => {
    const eye = { x: 1, y: 1 };
    expect(() => alignFace({ eyes: [eye, eye], box: { x: 0, y: 0, width: 0, height: 0 } })).toThrow('face with a size');
  });
});
