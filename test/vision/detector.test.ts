import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { createRaster, type Raster } from '#image/raster.ts';
import type { Detector } from '#pipeline/ports.ts';
import { createDetector, type DetectorOptions } from '#vision/detector.ts';
import { loadModels, type Model } from '#vision/model.ts';

/** The network of fixtures/make_models.py: the red of input pixel (16 + 160 i, 16) is the score of candidate i. */
const switches = [16, 176, 336, 496];

/** Black but for the given scores, in the network's pixels. */
function photoWithScores(scores: Readonly<Record<number, number>>, channels: 3 | 4 = 3): Raster {
  const raster = createRaster(640, 640, channels);
  for (const [candidate, score] of Object.entries(scores)) {
    raster.data[(16 * 640 + switches[Number(candidate)]!) * channels] = Math.round(score * 255);
  }
  return raster;
}

describe('on a photo of the size of the network', () => {
  let model: Model;
  let detector: Detector;
  beforeAll(async () => {
    model = await (await loadModels(join(import.meta.dirname, 'fixtures'))).open('detector');
    detector = createDetector(model);
  });

  it('finds nothing when no score reaches the threshold', async () => {
    expect(await detector.localise(photoWithScores({ 0: 0.3, 2: 0.39 }))).toEqual([]);
  });

  it('gives box, eyes, score and mask of a candidate over the threshold', async () => {
    expect(await detector.localise(photoWithScores({ 0: 0.8 }))).toEqual([
      {
        box: { x: 100, y: 200, width: 40, height: 60 },
        eyes: [
          { x: 110, y: 220 },
          { x: 130, y: 220 },
        ],
        score: expect.closeTo(0.8, 5),
        maskProbability: 0.75,
        masked: true,
      },
    ]);
  });

  it('keeps the better of two candidates for one face', async () => {
    const faces = await detector.localise(photoWithScores({ 0: 0.6, 1: 0.8 }));
    expect(faces.map(({ box, masked }) => ({ x: box.x, masked }))).toEqual([{ x: 102, masked: false }]);
  });

  it('gives several faces, surest first', async () => {
    const faces = await detector.localise(photoWithScores({ 0: 0.6, 2: 0.8 }));
    expect(faces.map(({ box }) => box.x)).toEqual([400, 100]);
  });

  it('takes a mask probability at the threshold as masked', async () => {
    const [face] = await detector.localise(photoWithScores({ 2: 1 }));
    expect(face).toMatchObject({ maskProbability: 0.5, masked: true });
  });

  it('clips boxes to the photo and leaves eyes where they are', async () => {
    const [face] = await detector.localise(photoWithScores({ 3: 1 }));
    expect(face?.box).toEqual({ x: 600, y: 600, width: 40, height: 40 });
    expect(face?.eyes[1]).toEqual({ x: 660, y: 620 });
  });

  it('ignores alpha', async () => {
    expect(await detector.localise(photoWithScores({ 0: 0.8 }, 4))).toHaveLength(1);
  });
});

describe('on photos of other sizes', () => {
  /** Says the candidates that `see` finds in the input: x1, y1, x2, y2 and, unless they are 0.9, the score and P(mask). */
  const detectorThatSays = (see: (input: Float32Array) => readonly number[][], options: DetectorOptions = {}) => {
    let runs = 0;
    const model = {
      identity: { name: 'typed', version: '1', sha256: '' },
      description: {
        name: 'typed',
        inputs: [{ name: 'image', shape: [1, 3, 640, 640], mean: [0, 0, 0], std: [1, 1, 1] }],
        parameters: { scoreThreshold: 0.4, nmsIou: 0.45, maskThreshold: 0.5, abstain: [0.35, 0.65] },
      },
      run: async (input: Float32Array) => {
        runs += 1;
        const boxes = see(input);
        return {
          boxes: Float32Array.from(boxes.flatMap((box) => box.slice(0, 4))),
          eyes: Float32Array.from(boxes.flatMap((box) => box.slice(0, 4))),
          scores: Float32Array.from(boxes, (box) => box[4] ?? 0.9),
          maskProbabilities: Float32Array.from(boxes, (box) => box[5] ?? 0.9),
        };
      },
    };
    return { detector: createDetector(model as unknown as Model, options), runs: () => runs };
  };

  /** One box around everything white in the input. */
  const whiteBox = (input: Float32Array): number[][] => {
    let [left, top, right, bottom] = [640, 640, 0, 0];
    for (let y = 0; y < 640; y += 1) {
      for (let x = 0; x < 640; x += 1) {
        if (input[y * 640 + x]! > 0.75) {
          [left, top, right, bottom] = [
            Math.min(left, x),
            Math.min(top, y),
            Math.max(right, x + 1),
            Math.max(bottom, y + 1),
          ];
        }
      }
    }
    return right > left ? [[left, top, right, bottom]] : [];
  };

  const black = (width: number, height: number) => createRaster(width, height, 3);

  function paintWhite(raster: Raster, x: number, y: number, side: number): Raster {
    for (let row = y; row < y + side; row += 1) {
      raster.data.fill(255, (row * raster.width + x) * 3, (row * raster.width + x + side) * 3);
    }
    return raster;
  }

  it('scales from edge to edge for boxes and from pixel centre to pixel centre for eyes', async () => {
    const { detector, runs } = detectorThatSays(() => [[10, 20, 30, 40]]);
    const [face] = await detector.localise(black(1280, 640));
    expect(face?.box).toEqual({ x: 20, y: 40, width: 40, height: 40 });
    expect(face?.eyes[0]).toEqual({ x: 20.5, y: 40.5 });
    expect(runs()).toBe(1);
  });

  it('abstains between the bounds that models.json gives', async () => {
    const verdicts = [0.34, 0.36, 0.64, 0.66];
    const { detector } = detectorThatSays(() => verdicts.map((p, i) => [100 * i, 10, 100 * i + 50, 60, 0.9, p]));
    const faces = await detector.localise(black(640, 640));
    expect(faces.map(({ masked }) => masked)).toEqual([false, false, true, true]);
    expect(faces.map(({ unsure }) => unsure)).toEqual([undefined, true, true, undefined]);
  });

  it('drops a box that lies wholly in the padding', async () => {
    const { detector } = detectorThatSays(() => [[10, 400, 30, 440]]);
    expect(await detector.localise(black(1280, 640))).toEqual([]);
  });

  it('looks once at 1,280 px and again in tiles at 1,290 px', async () => {
    const near = detectorThatSays(() => []);
    await near.detector.localise(black(1280, 100));
    expect(near.runs()).toBe(1);
    const beyond = detectorThatSays(() => []);
    await beyond.detector.localise(black(1290, 100));
    expect(beyond.runs()).toBe(3);
  });

  it.each([
    ['in the middle of a tile', 300, 300],
    ['on the seam of four tiles', 960, 980],
    ['in the last corner', 2560, 1960],
  ])('finds a face of 40 px in 5 megapixels once: %s', async (_, x, y) => {
    const { detector, runs } = detectorThatSays(whiteBox);
    const faces = await detector.localise(paintWhite(black(2600, 2000), x, y, 40));
    expect(runs()).toBe(7);
    expect(faces).toHaveLength(1);
    const { box } = faces[0]!;
    for (const [found, truth] of [
      [box.x, x],
      [box.y, y],
      [box.x + box.width, x + 40],
      [box.y + box.height, y + 40],
    ]) {
      expect(Math.abs(found! - truth!)).toBeLessThanOrEqual(4);
    }
  });

  it('looks at three quarters of the size where that takes few tiles: a face of 40 px in 3 megapixels has 30', async () => {
    const { detector, runs } = detectorThatSays(whiteBox);
    const [found] = await detector.localise(paintWhite(black(2000, 1500), 960, 980, 40));
    expect(runs()).toBe(7);
    expect(found?.box.width).toBeGreaterThan(36);
  });

  it('takes candidates of lower scores where a caller asks for them', async () => {
    const { detector } = detectorThatSays(() => [[100, 100, 300, 320, 0.3]], { leastScore: 0.25 });
    expect(await detector.localise(black(640, 640))).toHaveLength(1);
  });

  it('drops a part of a face although it is a little surer than the whole', async () => {
    const { detector } = detectorThatSays(() => [
      [100, 100, 300, 320],
      [150, 150, 210, 200, 1],
    ]);
    const faces = await detector.localise(black(640, 640));
    expect(faces.map(({ box }) => box.width)).toEqual([200]);
  });

  it('keeps a small face in front of a large one that the detector doubts', async () => {
    const { detector } = detectorThatSays(() => [
      [100, 100, 300, 320, 0.5],
      [150, 150, 210, 200, 0.9],
    ]);
    expect(await detector.localise(black(640, 640))).toHaveLength(2);
  });

  it('finds a face larger than a tile once, from the first pass', async () => {
    const { detector } = detectorThatSays(whiteBox);
    const faces = await detector.localise(paintWhite(black(2600, 2000), 300, 200, 1600));
    expect(faces).toHaveLength(1);
    expect(faces[0]?.box.width).toBeCloseTo(1600, -1.5);
  });

  it('finds a face of 256 px that crosses every seam', async () => {
    const { detector } = detectorThatSays(whiteBox);
    const faces = await detector.localise(paintWhite(black(2600, 2000), 840, 860, 256));
    expect(faces).toHaveLength(1);
  });
});
