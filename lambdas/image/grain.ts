import { createRandom } from './random.ts';
import type { Raster } from './raster.ts';

/**
 * Strength of fine texture (sensor noise, film grain, pores) by octave: entry j is the variance, in levels squared, of detail among cells
 * of 2^j x 2^j pixels. Lightness is (R + G + B) / 3; redBlue and green are R - B and G - (R + B) / 2, which are uncorrelated for
 * independent noise in R, G and B.
 */
export type Grain = { readonly [Component in (typeof components)[number]]: readonly number[] };

const components = ['lightness', 'redBlue', 'green'] as const;

/** A square of pixels wholly inside a raster. */
export type Block = { readonly x: number; readonly y: number; readonly side: number };

/** Of the blocks, ordered by strength, the calmer ones are believed: the others hold edges, brows, hair; the calmest are clipped or soft. */
const believedFrom = 0.1;
const believedTo = 0.3;
const fewestBlocks = 3;

/** Gain of centre minus mean of four neighbours on white noise, squared. */
const whiteGain = 1.25;

/** Side of a block in which the coarsest octave still shows 4x4 times. */
export function grainBlockSide(octaves: number): number {
  return Math.max(8, 6 * 2 ** (octaves - 1));
}

/**
 * Mean grain of the calmer of the blocks, undefined when there are fewer than 3. Slopes of shading do not count: detail is a cell
 * minus the mean of its four neighbours. About 0.2 ms for each block of 64x64.
 */
export function measureGrain(raster: Raster, blocks: readonly Block[], octaves: number): Grain | undefined {
  if (blocks.length < fewestBlocks) return undefined;
  const measured = blocks.map((block) => {
    const grain = blockGrain(raster, block, octaves);
    return { grain, strength: grain.lightness.reduce((sum, variance, octave) => sum + variance * 4 ** octave, 0) };
  });
  const ranked = measured.toSorted((a, b) => a.strength - b.strength);
  const from = Math.floor(ranked.length * believedFrom);
  const believed = ranked.slice(from, Math.max(from + 1, Math.ceil(ranked.length * believedTo)));
  const mean = (component: keyof Grain) =>
    Array.from(
      { length: octaves },
      (_, octave) => believed.reduce((sum, { grain }) => sum + grain[component][octave]!, 0) / believed.length,
    );
  return { lightness: mean('lightness'), redBlue: mean('redBlue'), green: mean('green') };
}

/** The weaker of two, octave by octave: hair, eyes and shadows only ever add to what passes for grain. */
export function calmerGrain(one: Grain, other: Grain): Grain {
  const calmer = (component: keyof Grain) =>
    one[component].map((variance, octave) => Math.min(variance, other[component][octave]!));
  return { lightness: calmer('lightness'), redBlue: calmer('redBlue'), green: calmer('green') };
}

/** What has to be added to `present` to have `wanted`: variances add up. */
export function missingGrain(wanted: Grain, present: Grain): Grain {
  const missing = (component: keyof Grain) =>
    wanted[component].map((variance, octave) => Math.max(0, variance - present[component][octave]!));
  return { lightness: missing('lightness'), redBlue: missing('redBlue'), green: missing('green') };
}

/**
 * Weaker where its finest octave exceeds independent noise of standard deviation `sigma` in R, G and B: for small faces, whose blocks are
 * so large a part of the face that its features would pass for grain.
 */
export function limitGrain(grain: Grain, sigma: number): Grain {
  const [lightness = 0, redBlue = 0, green = 0] = components.map((component) => grain[component][0]);
  const variance = lightness + redBlue / 4 + green / 9 || 1; // of R: R = lightness + redBlue / 2 - green / 3
  const share = Math.min(1, sigma ** 2 / variance);
  const limited = (component: keyof Grain) => grain[component].map((value) => value * share);
  return { lightness: limited('lightness'), redBlue: limited('redBlue'), green: limited('green') };
}

function blockGrain({ width, channels, data }: Raster, { x, y, side }: Block, octaves: number): Grain {
  const planes = components.map(() => new Float32Array(side * side));
  const [lightness, redBlue, green] = [planes[0]!, planes[1]!, planes[2]!];
  for (let j = 0, to = 0; j < side; j++) {
    let at = ((y + j) * width + x) * channels;
    for (let i = 0; i < side; i++, to++, at += channels) {
      const r = data[at]!;
      const g = data[at + 1]!;
      const b = data[at + 2]!;
      lightness[to] = (r + g + b) / 3;
      redBlue[to] = r - b;
      green[to] = g - (r + b) / 2;
    }
  }
  return {
    lightness: detailByOctave(lightness, side, octaves),
    redBlue: detailByOctave(redBlue, side, octaves),
    green: detailByOctave(green, side, octaves),
  };
}

function detailByOctave(plane: Float32Array, side: number, octaves: number): readonly number[] {
  const variances: number[] = [];
  let [cells, size] = [plane, side];
  for (let octave = 0; octave < octaves; octave++) {
    if (octave > 0) {
      cells = halved(cells, size);
      size = Math.floor(size / 2);
    }
    let sum = 0;
    for (let y = 1; y < size - 1; y++) {
      for (let at = y * size + 1; at < y * size + size - 1; at++) {
        const detail = cells[at]! - (cells[at - 1]! + cells[at + 1]! + cells[at - size]! + cells[at + size]!) / 4;
        sum += detail * detail;
      }
    }
    variances.push(sum / ((size - 2) * (size - 2) * whiteGain));
  }
  return variances;
}

function halved(cells: Float32Array, size: number): Float32Array {
  const half = Math.floor(size / 2);
  const result = new Float32Array(half * half);
  for (let y = 0; y < half; y++) {
    for (let x = 0; x < half; x++) {
      const at = 2 * y * size + 2 * x;
      result[y * half + x] = (cells[at]! + cells[at + 1]! + cells[at + size]! + cells[at + size + 1]!) / 4;
    }
  }
  return result;
}

/** A square of texture that repeats seamlessly: floats to add to RGB bytes, interleaved. */
export type GrainTile = { readonly side: number; readonly data: Float32Array };

/**
 * Random texture of the given strength, the same for the same seed. Each octave is white noise on its cells, smoothly enlarged. `side` is a power of two, at least 2^(octaves + 1). About 4 ms for side 128.
 */
export function synthesiseGrain(grain: Grain, side: number, seed: number): GrainTile {
  const random = createRandom(seed);
  const lightness = componentTile(grain.lightness, side, random);
  const redBlue = componentTile(grain.redBlue, side, random);
  const green = componentTile(grain.green, side, random);
  const data = new Float32Array(side * side * 3);
  for (let i = 0, to = 0; i < lightness.length; i++, to += 3) {
    const base = lightness[i]! - green[i]! / 3;
    data[to] = base + redBlue[i]! / 2;
    data[to + 1] = lightness[i]! + (2 * green[i]!) / 3;
    data[to + 2] = base - redBlue[i]! / 2;
  }
  return { side, data };
}

function componentTile(variances: readonly number[], side: number, random: () => number): Float32Array {
  const gains = gainsFor(variances);
  let tile: Float32Array = new Float32Array(0);
  for (let octave = variances.length - 1; octave >= 0; octave--) {
    const size = side / 2 ** octave;
    const gain = gains[octave]!;
    const enlarged = tile.length > 0 ? doubled(tile, size / 2) : new Float32Array(size * size);
    if (gain > 0) addDetail(enlarged, size, gain, octave === 0, random);
    tile = enlarged;
  }
  return tile;
}

/** Adds white noise of standard deviation `gain`; above the finest octave less the mean of its four neighbours, so that it stays fine. */
function addDetail(tile: Float32Array, size: number, gain: number, finest: boolean, random: () => number): void {
  const noise = new Float32Array(size * size);
  for (let i = 0; i < noise.length; i++) noise[i] = normal(random()) * gain;
  for (let y = 0; y < size; y++) {
    const row = y * size;
    const above = ((y + size - 1) % size) * size;
    const below = ((y + 1) % size) * size;
    for (let x = 0; x < size; x++) {
      const left = noise[row + (x === 0 ? size - 1 : x - 1)]!;
      const right = noise[row + (x === size - 1 ? 0 : x + 1)]!;
      const around = finest ? 0 : (left + right + noise[above + x]! + noise[below + x]!) / 4;
      tile[row + x] = tile[row + x]! + noise[row + x]! - around;
    }
  }
}

/** Nearly normal, mean 0, variance 1: the sum of a number's four bytes. */
function normal(bits: number): number {
  const sum = (bits & 255) + ((bits >>> 8) & 255) + ((bits >>> 16) & 255) + (bits >>> 24);
  return (sum - 510) / 147.8;
}

/** Twice the side, wrapping around: Chaikin's corner cutting, which converges to the quadratic B-spline. */
function doubled(cells: Float32Array, size: number): Float32Array {
  const wide = new Float32Array(2 * size * size);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const here = cells[y * size + x]! * 0.75;
      wide[2 * (y * size + x)] = here + 0.25 * cells[y * size + (x === 0 ? size - 1 : x - 1)]!;
      wide[2 * (y * size + x) + 1] = here + 0.25 * cells[y * size + (x === size - 1 ? 0 : x + 1)]!;
    }
  }
  const stride = 2 * size;
  const result = new Float32Array(stride * stride);
  for (let y = 0; y < size; y++) {
    const [row, above, below] = [y * stride, ((y + size - 1) % size) * stride, ((y + 1) % size) * stride];
    for (let x = 0; x < stride; x++) {
      const here = wide[row + x]! * 0.75;
      result[2 * row + x] = here + 0.25 * wide[above + x]!;
      result[2 * row + stride + x] = here + 0.25 * wide[below + x]!;
    }
  }
  return result;
}

/**
 * Row: octave at which unit noise is added; column: variance that `measureGrain` then finds by octave. The first row is theory (white
 * noise), the others were measured on tiles of side 1,024; grain.test.ts holds them to it.
 */
const found: readonly (readonly number[])[] = [
  [1, 0.25, 0.0625, 0.0156, 0.0039, 0.001],
  [0.0566, 0.2926, 0.0506, 0.0051, 0.0006, 0],
  [0.0028, 0.028, 0.1516, 0.0371, 0.0038, 0.0004],
  [0.0002, 0.0022, 0.0226, 0.1242, 0.0344, 0.0034],
  [0, 0.0002, 0.0021, 0.0223, 0.123, 0.0325],
  [0, 0, 0.0001, 0.002, 0.0208, 0.116],
];

/** Standard deviations of noise to add at each octave so that the measured variances come out: Gauss-Seidel, never below 0. */
function gainsFor(variances: readonly number[]): readonly number[] {
  const squares = variances.map(() => 0);
  for (let round = 0; round < 12; round++) {
    for (let octave = 0; octave < squares.length; octave++) {
      const others = squares.reduce(
        (sum, square, source) => sum + (source === octave ? 0 : square * found[source]![octave]!),
        0,
      );
      squares[octave] = Math.max(0, (variances[octave]! - others) / found[octave]![octave]!);
    }
  }
  return squares.map(Math.sqrt);
}
