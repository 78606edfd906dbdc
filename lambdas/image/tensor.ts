import { createRaster, type Raster } from './raster.ts';

/** Per channel R, G, B, in units of 0..1. */
export type Normalisation = { readonly mean: readonly number[]; readonly std: readonly number[] };

const levels = 256;

/**
 * RGB of the raster as planes, (byte / 255 - mean) / std; alpha is left out. Into a tensor that is there, or a new one. // [1, 3, height, width]
 * @throws RangeError when the tensor's length does not fit the raster.
 */
export function toTensor(raster: Raster, normalisation: Normalisation, into?: Float32Array): Float32Array {
  const { width, height, channels, data } = raster;
  const size = width * height;
  const tensor = into ?? new Float32Array(3 * size);
  if (tensor.length !== 3 * size) {
    throw new RangeError(`Expected ${3 * size} floats for [1, 3, ${height}, ${width}] but received ${tensor.length}.`);
  }
  tablesOf(normalisation).forEach((table, c) => {
    for (let i = 0, from = c, to = c * size; i < size; i++, from += channels, to++) tensor[to] = table[data[from]!]!;
  });
  return tensor;
}

/** What each byte becomes, for R, G and B. */
export function tablesOf({ mean, std }: Normalisation): readonly [Float32Array, Float32Array, Float32Array] {
  const tableOf = (channel: number) => {
    const table = new Float32Array(levels);
    // Rounded to float32 after each step, as the training code does it.
    for (let byte = 0; byte < levels; byte++) {
      table[byte] = Math.fround(Math.fround(byte / 255) - mean[channel]!) / std[channel]!;
    }
    return table;
  };
  return [tableOf(0), tableOf(1), tableOf(2)];
}

/**
 * Planes in 0..1 to an RGB raster: times 255, rounded half up, clamped; NaN becomes 0. // data [1, 3, height, width]
 * @throws RangeError when the data's length does not fit the shape.
 */
export function fromTensor(data: Float32Array, width: number, height: number): Raster {
  const size = width * height;
  if (data.length !== 3 * size) {
    throw new RangeError(`Expected ${3 * size} floats for [1, 3, ${height}, ${width}] but received ${data.length}.`);
  }
  const raster = createRaster(width, height, 3);
  for (let c = 0; c < 3; c++) {
    for (let i = 0, from = c * size, to = c; i < size; i++, from++, to += 3) {
      const value = data[from]! * 255 + 0.5;
      raster.data[to] = value > 255 ? 255 : value > 0 ? value : 0;
    }
  }
  return raster;
}
