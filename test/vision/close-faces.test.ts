import { expect, test } from 'vitest';
import { createRaster, type Raster } from '#image/raster.ts';
import type { Detector } from '#pipeline/ports.ts';
import { localiseClose } from '#vision/close-faces.ts';

const face = {
  box: { x: 64, y: 32, width: 128, height: 192 },
  eyes: [
    { x: 95.5, y: 79.5 },
    { x: 159.5, y: 79.5 },
  ] as const,
  score: 0.8,
  maskProbability: 0.9,
  masked: true,
};

function detectorThatSees(seen: Raster[]): Detector {
  return {
    model: { name: 'mask-detector', version: '1', sha256: 'd'.repeat(64) },
    async localise(raster) {
      seen.push(raster);
      return [face];
    },
  };
}

test('a face found in the small picture comes back in pixels of the photo', async () => {
  const photo = createRaster(512, 512, 3);
  const [found] = await localiseClose(photo, detectorThatSees([]));
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
  const [found] = await localiseClose(createRaster(256, 160, 3), detectorThatSees([]));
  expect(found?.box).toEqual({ x: 64, y: 32, width: 128, height: 128 });
});

test('the network sees the photo in the corner of a grey canvas', async () => {
  const seen: Raster[] = [];
  const photo = createRaster(512, 512, 3, new Uint8Array(512 * 512 * 3).fill(200));
  await localiseClose(photo, detectorThatSees(seen));
  const canvas = seen[0] ?? createRaster(1, 1, 3);
  const at = (x: number, y: number) => canvas.data[(y * canvas.width + x) * 3];
  expect([canvas.width, canvas.height]).toEqual([640, 640]);
  expect([at(0, 0), at(255, 255), at(256, 0), at(0, 256), at(639, 639)]).toEqual([200, 200, 128, 128, 128]);
});
