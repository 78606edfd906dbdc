/** What is seen of a masked face stays: the published unmaskers take neither eyes nor an ear for mask. `npm run evaluate` measures it on real photos. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { alignFace, cropSize } from '#image/geometry.ts';
import type { Plane } from '#image/raster.ts';
import { warpRaster } from '#image/warp.ts';
import type { Detector } from '#pipeline/ports.ts';
import { createCodec } from '#vision/codec.ts';
import { loadModels, type Models } from '#vision/model.ts';
import { openDetector } from '#vision/open-detector.ts';
import { createUnmasker } from '#vision/unmasker.ts';

const project = join(import.meta.dirname, '..', '..');

let models: Models;
let detector: Detector;
beforeAll(async () => {
  models = await loadModels(join(project, 'models'));
  detector = openDetector(models);
});

/** What the unmasker called `name` erases of the one masked face of an example photo, in its aligned crop. */
async function erased(name: string, photo: string): Promise<Plane> {
  const decoded = await createCodec().decode(await readFile(join(project, 'examples/photos', `${photo}.jpg`)));
  if ('rejected' in decoded) throw new Error(`Expected ${photo} to be a photo.`);
  const [face] = (await detector.localise(decoded.raster)).filter(({ masked }) => masked);
  if (!face) throw new Error(`Expected a masked face in ${photo}.`);
  const crop = warpRaster(decoded.raster, alignFace(face), cropSize, cropSize);
  return (await createUnmasker(models.lazily(name)).unmask(crop)).region;
}

type Ellipse = { readonly x: number; readonly y: number; readonly across: number; readonly down: number };

function shareOf({ width, data }: Plane, { x, y, across, down }: Ellipse): number {
  const inside = [...data].filter(
    (_, pixel) => Math.hypot(((pixel % width) - x) / across, (Math.floor(pixel / width) - y) / down) <= 1,
  );
  return inside.filter((value) => value > 0).length / inside.length;
}

/** Where the aligned crop of `large-face` shows them, px of 256; the ear is the one on the right, which no strap crosses there. */
const eyes = [98, 158].map((x) => ({ x, y: 118, across: 13, down: 8 }));
const ear = { x: 203, y: 147, across: 4, down: 14 };
const mouth = { x: 128, y: 190, across: 20, down: 12 };

test.each(['rescnn', 'rescnn-fidelity'])(
  '%s takes off the mask of large-face, not its eyes or its ear',
  async (name) => {
    const region = await erased(name, 'large-face');
    expect(shareOf(region, mouth)).toBe(1);
    expect(eyes.map((eye) => shareOf(region, eye))).toEqual([0, 0]);
    expect(shareOf(region, ear)).toBeLessThan(0.25); // 0.19.0 took more than half of it for a strap
  },
);
