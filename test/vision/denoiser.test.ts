import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { createRaster, type Raster } from '#image/raster.ts';
import type { Denoiser } from '#pipeline/ports.ts';
import { createDenoiser } from '#vision/denoiser.ts';
import { loadModels, type Model } from '#vision/model.ts';
import { noise } from './photos.ts';

let denoiser: Denoiser;
let model: Model;
beforeAll(async () => {
  model = await (await loadModels(join(import.meta.dirname, 'fixtures'))).open('denoiser');
  denoiser = createDenoiser(model);
});

/** What the network of fixtures/make_models.py does to a byte: half of it plus a quarter of full scale. */
const denoised = (byte: number) => Math.floor(byte * 0.5 + 0.25 * 255 + 0.5);

function farthest(raster: Raster, expected: (index: number) => number): number {
  return raster.data.reduce((most, byte, index) => Math.max(most, Math.abs(byte - expected(index))), 0);
}

describe('a network that works on each pixel by itself', () => {
  it.each([
    [256, 256],
    [100, 40],
    [257, 256],
    [300, 500],
    [481, 250],
    [1000, 33],
  ])('gives every pixel of %ix%i, whatever tile it fell into', async (width, height) => {
    const raster = createRaster(width, height, 3, noise(width * height * 3));
    const out = await denoiser.denoise(raster);
    expect([out.width, out.height, out.channels]).toEqual([width, height, 3]);
    // Half a level is rounded up or down as the shares of two tiles add up.
    expect(farthest(out, (index) => denoised(raster.data[index]!))).toBeLessThanOrEqual(1);
  });

  it('does not touch alpha', async () => {
    const raster = createRaster(300, 200, 4, noise(300 * 200 * 4));
    const out = await denoiser.denoise(raster);
    expect(
      farthest(out, (index) => (index % 4 === 3 ? raster.data[index]! : denoised(raster.data[index]!))),
    ).toBeLessThanOrEqual(1);
    expect(out.data.every((byte, index) => index % 4 !== 3 || byte === raster.data[index])).toBe(true);
  });

  it('leaves its input alone', async () => {
    const raster = createRaster(300, 40, 3, noise(300 * 40 * 3));
    const before = raster.data.slice();
    await denoiser.denoise(raster);
    expect(raster.data).toEqual(before);
  });
});

describe('tiles that disagree', () => {
  /** The n-th tile comes back as the n-th level. */
  const disagreeing = (levels: readonly number[]) => {
    let run = 0;
    return createDenoiser({
      ...model,
      run: async () => ({ denoised: new Float32Array(3 * 256 * 256).fill((levels[run++] ?? 1) / 255) }),
    });
  };

  it('are mixed over 32 pixels in the middle of what they share, without a step', async () => {
    // 480 px: tiles at 0 and 224 share 224..255; the fade has its middle between 239 and 240.
    const out = await disagreeing([0, 160]).denoise(createRaster(480, 1, 3));
    const line = Array.from({ length: 480 }, (_, x) => out.data[x * 3]!);
    expect([line[223], line[239], line[240], line[256]]).toEqual([0, 78, 83, 160]);
    const steps = line.slice(1).map((level, index) => level - line[index]!);
    expect(Math.max(...steps)).toBe(5);
    expect(Math.min(...steps)).toBe(0);
  });

  it('are mixed down the rows as along them', async () => {
    const out = await disagreeing([0, 160]).denoise(createRaster(1, 480, 3));
    const column = Array.from({ length: 480 }, (_, y) => out.data[y * 3]!);
    expect([column[223], column[239], column[240], column[256]]).toEqual([0, 78, 83, 160]);
  });

  it('meet four at a corner with shares that add up to one', async () => {
    const out = await disagreeing([100, 100, 100, 100]).denoise(createRaster(480, 480, 3));
    expect(farthest(out, () => 100)).toBe(0);
  });
});

it('says above which noise it is worth running', () => {
  expect(denoiser.sigmaThreshold).toBe(4);
});

it('refuses a model without its parameters', () => {
  const bare = { ...model, description: { ...model.description, parameters: {} } };
  expect(() => createDenoiser(bare)).toThrow('sigmaThreshold and overlap');
});
