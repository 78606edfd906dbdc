import { describe, expect, test } from 'vitest';
import { createRaster, type Raster } from '#image/raster.ts';
import type { Face } from '#pipeline/face.ts';
import type { Detector } from '#pipeline/ports.ts';
import { judgeUpright, lookAgain } from '#vision/second-look.ts';

const face: Face = {
  box: { x: 64, y: 32, width: 128, height: 192 },
  eyes: [
    { x: 95.5, y: 79.5 },
    { x: 159.5, y: 79.5 },
  ],
  score: 0.8,
  maskProbability: 0.9,
  masked: true,
};

function detectorThatSees(seen: Raster[], faces: readonly Face[] = [face]): Detector {
  return {
    model: { name: 'mask-detector', version: '1', sha256: 'd'.repeat(64) },
    async localise(raster) {
      seen.push(raster);
      return faces;
    },
  };
}

test('a face found in the small picture comes back in pixels of the photo', async () => {
  const photo = createRaster(512, 512, 3);
  const [found] = await lookAgain(photo, detectorThatSees([]));
  expect(found).toEqual({
    ...face,
    box: { x: 128, y: 64, width: 256, height: 384 },
    eyes: [
      { x: 191.5, y: 159.5 },
      { x: 319.5, y: 159.5 },
    ],
  });
});

test('the box of a face ends where the photo ends', async () => {
  const [found] = await lookAgain(createRaster(256, 160, 3), detectorThatSees([]));
  expect(found?.box).toEqual({ x: 64, y: 32, width: 128, height: 128 });
});

/** The left upper eighth of a photo of 512x512 is red, so that each turn shows. */
function photoWithCorner(): Raster {
  const photo = createRaster(512, 512, 3, new Uint8Array(512 * 512 * 3).fill(200));
  for (let y = 0; y < 64; y++) for (let x = 0; x < 64; x++) photo.data.set([255, 0, 0], (y * 512 + x) * 3);
  return photo;
}

test('the network sees the photo four times on a grey canvas, each turned by a quarter more', async () => {
  const seen: Raster[] = [];
  await lookAgain(photoWithCorner(), detectorThatSees(seen));
  const canvas = seen[0] ?? createRaster(1, 1, 3);
  const green = (x: number, y: number) => canvas.data[(y * canvas.width + x) * 3 + 1];
  expect([canvas.width, canvas.height]).toEqual([640, 640]);
  expect([green(256, 0), green(0, 256), green(639, 639), green(300, 300)]).toEqual([128, 128, 128, 128]);
  // Left upper, right upper, right lower and left lower corner of each of the four.
  const corners = (x: number, y: number) => [
    green(x, y),
    green(x + 255, y),
    green(x + 255, y + 255),
    green(x, y + 255),
  ];
  expect(corners(0, 0)).toEqual([0, 200, 200, 200]);
  expect(corners(320, 0)).toEqual([200, 0, 200, 200]);
  expect(corners(0, 320)).toEqual([200, 200, 0, 200]);
  expect(corners(320, 320)).toEqual([200, 200, 200, 0]);
});

test.for([
  { turns: 'once', x: 320 + 64, y: 32, box: { x: 64, y: 128, width: 384, height: 256 }, eye: { x: 159.5, y: 319.5 } },
  { turns: 'twice', x: 64, y: 320 + 32, box: { x: 128, y: 64, width: 256, height: 384 }, eye: { x: 319.5, y: 351.5 } },
  { turns: 'thrice', x: 384, y: 352, box: { x: 64, y: 128, width: 384, height: 256 }, eye: { x: 351.5, y: 191.5 } },
])('a face in the photo turned $turns comes back where it is', async ({ x, y, box, eye }) => {
  const [dx, dy] = [x - face.box.x, y - face.box.y];
  const moved: Face = {
    ...face,
    box: { ...face.box, x, y },
    eyes: [
      { x: face.eyes[0].x + dx, y: face.eyes[0].y + dy },
      { x: face.eyes[1].x + dx, y: face.eyes[1].y + dy },
    ],
  };
  const [found] = await lookAgain(createRaster(512, 512, 3), detectorThatSees([], [moved]));
  expect(found?.box).toEqual(box);
  expect(found?.eyes[0]).toEqual(eye);
});

test('a face seen in several turns is one, the surest', async () => {
  const turned: Face = { ...face, box: { x: 64, y: 352, width: 128, height: 192 }, score: 0.9 };
  const found = await lookAgain(createRaster(512, 512, 3), detectorThatSees([], [face, turned]));
  expect(found.map(({ score }) => score)).toEqual([0.9]);
});

describe('the verdict from the upright crop', () => {
  const lying: Face = {
    ...face,
    box: { x: 100, y: 150, width: 240, height: 200 },
    eyes: [
      { x: 260, y: 210 },
      { x: 260, y: 290 },
    ],
    maskProbability: 0.1,
    masked: false,
  };
  const upright = { ...face, box: { x: 60, y: 50, width: 130, height: 160 }, maskProbability: 0.97, masked: true };

  test('is that of a large face that lies, which keeps its place', async () => {
    const seen: Raster[] = [];
    const judged = await judgeUpright(lying, createRaster(500, 500, 3), detectorThatSees(seen, [upright]));
    expect(judged).toEqual({ ...lying, maskProbability: 0.97, masked: true });
    expect(seen.map(({ width, height }) => [width, height])).toEqual([[256, 256]]);
  });

  test('is a guess only where that of the crop is', async () => {
    const judge = (from: Face, seen: Face) =>
      judgeUpright(from, createRaster(500, 500, 3), detectorThatSees([], [seen]));
    expect((await judge({ ...lying, unsure: true }, upright)).unsure).toBeUndefined();
    expect((await judge(lying, { ...upright, unsure: true })).unsure).toBe(true);
  });

  test('is that of the surest face in the middle of the crop', async () => {
    const beside = { ...upright, box: { x: 0, y: 0, width: 40, height: 50 }, score: 0.99, maskProbability: 0.3 };
    const doubtful = { ...upright, score: 0.5, maskProbability: 0.4 };
    const detector = detectorThatSees([], [beside, doubtful, upright]);
    expect((await judgeUpright(lying, createRaster(500, 500, 3), detector)).maskProbability).toBe(0.97);
  });

  test('is not asked for where a face is small or upright, nor believed where the crop shows no face', async () => {
    const seen: Raster[] = [];
    const detector = detectorThatSees(seen, [upright]);
    expect(await judgeUpright(lying, createRaster(2000, 500, 3), detector)).toBe(lying);
    expect(await judgeUpright(face, createRaster(256, 256, 3), detector)).toBe(face);
    expect(seen).toEqual([]);
    expect(await judgeUpright(lying, createRaster(500, 500, 3), detectorThatSees([], []))).toBe(lying);
  });
});
