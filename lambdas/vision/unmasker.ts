import type { Raster } from '#image/raster.ts';
import { fromTensor, toTensor } from '#image/tensor.ts';
import type { Unmasker } from '#pipeline/ports.ts';
import type { Model } from './model.ts';
import { createTensorPool } from './tensor-pool.ts';

/** The network erases, completes and pastes back in one graph; this packs and unpacks. About 1 ms besides the network. */
export function createUnmasker(model: Model): Unmasker {
  const [input] = model.description.inputs;
  const [, , height, width] = input.shape;
  const withTensor = createTensorPool(3 * height * width);
  return {
    model: model.identity,
    async unmask(crop: Raster) {
      if (crop.width !== width || crop.height !== height) {
        throw new RangeError(`Expected a crop of ${width}x${height} but received ${crop.width}x${crop.height}.`);
      }
      const { unmasked, region } = await withTensor((tensor) => model.run(toTensor(crop, input, tensor))); // [1, 3, 256, 256], [1, 1, 256, 256]
      if (!unmasked || !region) {
        throw new Error(`Expected outputs unmasked and region of ${model.identity.name}, as models.json says.`);
      }
      return { unmasked: fromTensor(unmasked, width, height), region: { width, height, data: region } };
    },
  };
}
