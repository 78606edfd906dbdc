import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { createRaster } from '#image/raster.ts';
import type { Unmasker } from '#pipeline/ports.ts';
import { loadModels } from '#vision/model.ts';
import { createUnmasker } from '#vision/unmasker.ts';
import { noise } from './photos.ts';

// The network of fixtures/make_models.py inverts columns 100 to 155 and calls them the region.
let unmasker: Unmasker;
beforeAll(async () => {
  unmasker = createUnmasker(await (await loadModels(join(import.meta.dirname, 'fixtures'))).open('unmasker'));
});

const crop = createRaster(256, 256, 3, noise(256 * 256 * 3));
const at = (x: number, y: number, channel: number) => (y * 256 + x) * 3 + channel;

it('gives back the pixels outside the region to the byte', async () => {
  const { unmasked } = await unmasker.unmask(crop);
  for (const index of [at(0, 0, 0), at(99, 255, 1), at(156, 17, 2), at(255, 255, 0)]) {
    expect(unmasked.data[index]).toBe(crop.data[index]);
  }
});

it('gives the network pixels inside the region', async () => {
  const { unmasked } = await unmasker.unmask(crop);
  for (const index of [at(100, 0, 0), at(128, 200, 1), at(155, 255, 2)]) {
    expect(unmasked.data[index]).toBe(255 - crop.data[index]!);
  }
});

it('gives the region as a plane in the framing of the crop', async () => {
  const { region } = await unmasker.unmask(crop);
  expect([region.width, region.height, region.data.length]).toEqual([256, 256, 65536]);
  expect([...region.data.subarray(98, 102)]).toEqual([0, 0, 1, 1]);
  expect([...region.data.subarray(65536 - 256 + 154, 65536 - 256 + 158)]).toEqual([1, 1, 0, 0]);
});

it('refuses a crop of another size', async () => {
  await expect(unmasker.unmask(createRaster(255, 256, 3))).rejects.toThrow('256x256 but received 255x256');
});

it('says which model it is', () => {
  expect(unmasker.model).toMatchObject({ name: 'unmasker', version: '0.0.1' });
});
