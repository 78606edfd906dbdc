/**
 * Decoded pixels: 8-bit, row by row, channels interleaved, sRGB. `channels` is 3 (RGB) or 4 (RGBA, alpha not premultiplied).
 * `data.length === width * height * channels`.
 */
export type Raster = {
  readonly width: number;
  readonly height: number;
  readonly channels: 3 | 4;
  readonly data: Uint8Array;
};

/** A one-channel float map of the same framing as some raster, row by row; 0..1 unless said otherwise. */
export type Plane = {
  readonly width: number;
  readonly height: number;
  readonly data: Float32Array;
};

/** @throws RangeError when the data's length does not fit the shape. */
export function createRaster(width: number, height: number, channels: 3 | 4, data?: Uint8Array): Raster {
  const length = width * height * channels;
  if (data && data.length !== length) {
    throw new RangeError(
      `Expected ${length} bytes for a ${width}x${height}x${channels} raster but received ${data.length}.`,
    );
  }
  return { width, height, channels, data: data ?? new Uint8Array(length) };
}
