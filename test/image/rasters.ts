import type { Plane, Raster } from '#image/raster.ts';

/** Grey pictures typed as they look: one number a pixel. */
export function grey(rows: readonly (readonly number[])[]): Raster {
  const data = rows.flatMap((row) => row.flatMap((value) => [value, value, value]));
  return { width: rows[0]!.length, height: rows.length, channels: 3, data: Uint8Array.from(data) };
}

export function plane(rows: readonly (readonly number[])[]): Plane {
  return { width: rows[0]!.length, height: rows.length, data: Float32Array.from(rows.flat()) };
}

/** One channel, as rows. */
export function rowsOf({ width, height, channels, data }: Raster, channel = 0): number[][] {
  return Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_, x) => data[(y * width + x) * channels + channel]!),
  );
}

export function paint(
  width: number,
  height: number,
  colour: (x: number, y: number, channel: number) => number,
  channels: 3 | 4 = 3,
): Raster {
  const data = new Uint8Array(width * height * channels);
  for (let at = 0; at < data.length; at++) {
    const pixel = Math.floor(at / channels);
    const value = Math.round(colour(pixel % width, Math.floor(pixel / width), at % channels));
    data[at] = Math.min(255, Math.max(0, value));
  }
  return { width, height, channels, data };
}

export function shape(width: number, height: number, inside: (x: number, y: number) => boolean): Plane {
  const data = Float32Array.from({ length: width * height }, (_, at) =>
    inside(at % width, Math.floor(at / width)) ? 1 : 0,
  );
  return { width, height, data };
}

/** Seeded, independent, normal, mean 0, standard deviation 1 (Box-Muller over a linear congruential generator of its own). */
export function createNormal(seed: number): () => number {
  let state = seed * 2654435761 + 1;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return () => {
    const radius = Math.sqrt(-2 * Math.log(uniform()));
    return radius * Math.cos(2 * Math.PI * uniform());
  };
}
