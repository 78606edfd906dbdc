import { expect, test } from 'vitest';
import { createRaster, type Raster } from '#image/raster.ts';
import type { Face } from '#pipeline/face.ts';
import type { Detector } from '#pipeline/ports.ts';
import { createEyeLocator, withLocatedEyes } from '#vision/eye-locator.ts';
import type { Model } from '#vision/model.ts';

const side = 96;

/** A "network" that finds the brightest red and the brightest green pixel: the right and the left eye. Presence is the blue of the first pixel. */
function colourModel(presence = 0.9): Model {
  const brightest = (data: Float32Array, channel: number) => {
    const plane = data.subarray(channel * side * side, (channel + 1) * side * side);
    const at = plane.indexOf(Math.max(...plane));
    return [at % side, Math.floor(at / side)];
  };
  const model: Pick<Model, 'identity' | 'run'> & { description: object } = {
    identity: { name: 'eye-locator', version: '1', sha256: 'e'.repeat(64) },
    description: {
      name: 'eye-locator',
      inputs: [{ name: 'image', shape: [1, 3, side, side], mean: [0, 0, 0], std: [1, 1, 1] }],
      parameters: { window: 1.5, presenceThreshold: 0.5 },
    },
    run: async (data) => ({
      eyes: Float32Array.from([...brightest(data, 0), ...brightest(data, 1)]),
      presence: Float32Array.of(presence),
    }),
  };
  return model as unknown as Model;
}

function photoWithEyes(right: readonly [number, number], left: readonly [number, number]): Raster {
  const raster = createRaster(300, 300, 3);
  for (const [[x, y], channel] of [
    [right, 0],
    [left, 1],
  ] as const) {
    for (let row = y - 2; row <= y + 2; row++)
      for (let column = x - 2; column <= x + 2; column++) raster.data[(row * 300 + column) * 3 + channel] = 255;
  }
  return raster;
}

const box = { x: 100, y: 90, width: 100, height: 128 };

test('eyes come back in pixels of the photo', async () => {
  const { eyes, presence } = await createEyeLocator(colourModel()).locate(photoWithEyes([130, 140], [170, 140]), box);
  expect(Math.hypot(eyes[0].x - 130, eyes[0].y - 140)).toBeLessThan(3);
  expect(Math.hypot(eyes[1].x - 170, eyes[1].y - 140)).toBeLessThan(3);
  expect(presence).toBeCloseTo(0.9, 5);
});

test.for([10, 35, -90, 135, 180])('a head turned by %i degrees is seen level at the second look', async (degrees) => {
  const turn = (degrees * Math.PI) / 180;
  const at = (x: number): [number, number] => [
    Math.round(150 + x * Math.cos(turn)),
    Math.round(154 + x * Math.sin(turn)),
  ];
  const seen: number[] = [];
  const model = colourModel();
  const run = async (data: Float32Array) => {
    const outputs = await model.run(data);
    const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = outputs.eyes ?? [];
    seen.push((Math.atan2(y2 - y1, x2 - x1) * 180) / Math.PI);
    return outputs;
  };
  const { eyes } = await createEyeLocator({ ...model, run }).locate(photoWithEyes(at(-20), at(20)), box);
  expect(Math.abs(seen[1] ?? 90)).toBeLessThan(8);
  expect(Math.hypot(eyes[0].x - at(-20)[0], eyes[0].y - at(-20)[1])).toBeLessThan(4);
});

test('a level head is looked at once, unless that shows no face', async () => {
  const model = colourModel();
  const looksFor = async (presence: number) => {
    let looks = 0;
    const run = async (data: Float32Array) => {
      looks++;
      return { ...(await model.run(data)), presence: Float32Array.of(presence) };
    };
    const photo = photoWithEyes([130, 154], [170, 154]);
    const { eyes } = await createEyeLocator({ ...model, run }).locate(photo, box);
    expect(Math.hypot(eyes[0].x - 130, eyes[0].y - 154)).toBeLessThan(4);
    return looks;
  };
  expect(await looksFor(1)).toBe(1);
  expect(await looksFor(0)).toBe(2);
});

const face = (x: number): Face => ({
  box: { ...box, x },
  eyes: [
    { x: 0, y: 0 },
    { x: 1, y: 0 },
  ],
  score: 0.9,
  maskProbability: 0.8,
  masked: true,
});

const detector: Detector = {
  model: { name: 'mask-detector', version: '1', sha256: 'd'.repeat(64) },
  localise: async () => [face(100)],
};

test('faces keep their box and verdict and get the eyes of the locator', async () => {
  const aligned = withLocatedEyes(detector, createEyeLocator(colourModel()));
  const [found] = await aligned.localise(photoWithEyes([130, 140], [170, 140]));
  expect(found).toMatchObject({ box, score: 0.9, masked: true });
  expect(found?.eyes[0].x).toBeCloseTo(130, -1);
});

test('what the locator takes for no face is dropped', async () => {
  const aligned = withLocatedEyes(detector, createEyeLocator(colourModel(0.2)));
  expect(await aligned.localise(photoWithEyes([130, 140], [170, 140]))).toEqual([]);
});

test('what has both eyes in nearly one place is no face', async () => {
  const aligned = withLocatedEyes(detector, createEyeLocator(colourModel()));
  expect(await aligned.localise(photoWithEyes([145, 140], [153, 140]))).toEqual([]);
});

test('two boxes around the same eyes are one face, the better one', async () => {
  const doubled = { ...detector, localise: async () => [face(100), { ...face(104), score: 0.6 }] };
  const aligned = withLocatedEyes(doubled, createEyeLocator(colourModel()));
  expect(await aligned.localise(photoWithEyes([130, 140], [170, 140]))).toMatchObject([{ score: 0.9 }]);
});

test('a candidate below the sure score is taken only when the locator is certain', async () => {
  const doubted = { ...detector, localise: async () => [{ ...face(100), score: 0.4 }] };
  const photo = photoWithEyes([130, 140], [170, 140]);
  const seen = (presence: number) =>
    withLocatedEyes(doubted, createEyeLocator(colourModel(presence)), { sureScore: 0.5 }).localise(photo);
  expect(await seen(0.98)).toEqual([]);
  expect(await seen(0.999)).toHaveLength(1);
});

test('of a box and a larger one around it, both surely faces, the larger one is the face', async () => {
  const whole = { ...face(100), box: { x: 20, y: 20, width: 260, height: 260 }, score: 0.6 };
  const nested = { ...detector, localise: async () => [face(100), whole] };
  const locator = {
    ...createEyeLocator(colourModel()),
    locate: async (_: Raster, { width }: Face['box']) => {
      const [y, span] = width > 200 ? [100, 100] : [160, 40];
      return {
        eyes: [
          { x: 150 - span / 2, y },
          { x: 150 + span / 2, y },
        ] as const,
        presence: 0.99,
      };
    },
  };
  const found = await withLocatedEyes(nested, locator).localise(photoWithEyes([130, 140], [170, 140]));
  expect(found.map(({ score }) => score)).toEqual([0.6]);
});

test('a new locator is a new detector', () => {
  const one = withLocatedEyes(detector, createEyeLocator(colourModel()));
  const other = createEyeLocator(colourModel());
  const two = withLocatedEyes(detector, { ...other, model: { ...other.model, sha256: 'f'.repeat(64) } });
  expect(one.model.sha256).not.toBe(two.model.sha256);
  expect(one.model.name).toBe('mask-detector+eye-locator');
});
