import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createRaster } from '#image/raster.ts';
import { toTensor } from '#image/tensor.ts';
import { loadModels } from '#vision/model.ts';
import type { ModelDescription } from '#vision/model-description.ts';

// ONNX Runtime in Node against PyTorch, on inputs that both sides can compute. Written by models/training/export.py.
const folder = join(import.meta.dirname, '../../models');
const models = await loadModels(folder);
const fixtures = z
  .record(
    z.string(),
    z.object({
      input: z.object({ kind: z.literal('ramp'), seed: z.int() }),
      outputs: z.record(
        z.string(),
        z.object({
          indices: z.array(z.int().nonnegative()).min(1),
          values: z.array(z.number()),
          /** Computed in 8 bits: processors round differently, and may differ by so much as a root mean square. */
          rms: z.number().positive().optional(),
        }),
      ),
    }),
  )
  .parse(JSON.parse(readFileSync(join(folder, 'fixtures/parity.json'), 'utf8')));

function ramp({ inputs: [input] }: ModelDescription, seed: number): Float32Array {
  const [, , height, width] = input.shape;
  const raster = createRaster(width, height, 3);
  for (let y = 0, at = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      for (let c = 0; c < 3; c += 1, at += 1) {
        raster.data[at] = (x * (3 + c) + y * (5 + 2 * c) + ((x * y) >> 4) * (c + 1) + 29 * seed) & 255;
      }
    }
  }
  return toTensor(raster, input);
}

it('covers every model of models.json', () => {
  expect(Object.keys(fixtures).toSorted()).toEqual([...models.names].toSorted());
});

describe.each(models.descriptions)('$name', (description) => {
  it('answers in Node as it did in PyTorch, to 1e-4; where it computes in 8 bits, to 40 dB', async () => {
    const { input, outputs } = fixtures[description.name]!;
    const { run } = await models.open(description.name);
    const answers = await run(ramp(description, input.seed));
    for (const [name, { indices, values, rms }] of Object.entries(outputs)) {
      const differences = indices.map((index, at) => answers[name]![index]! - values[at]!);
      if (rms === undefined) {
        const scale = Math.max(1, ...values.map(Math.abs)); // boxes are in pixels
        expect.soft(Math.max(...differences.map(Math.abs)) / scale, name).toBeLessThan(1e-4);
      } else {
        expect.soft(Math.hypot(...differences) / Math.sqrt(differences.length), name).toBeLessThan(rms);
      }
    }
  });
});
