import { meanSquaredError, psnr, psnrEq8, regionPsnr, regionSsim, ssim } from '#image/quality.ts';
import type { Plane, Raster } from '#image/raster.ts';
import { openRegion, planeOf } from './planes.ts';

/** What is measured of one answer; null where it does not apply or nothing was found. The names are evaluate.py's, in its results.csv too. */
export const measureNames = [
  'regionPsnr',
  'regionSsim',
  'psnr',
  'ssim',
  'psnrEq8',
  'visiblePsnr',
  'gradientEnergy',
  'area',
  'iou',
  'leftOver',
  'strapsLeft',
  'eyesErased',
  'earsErased',
  'beyondErased',
] as const;
export type MeasureName = (typeof measureNames)[number];
export type Measures = Readonly<Record<MeasureName, number | null>>;

export const nothingMeasured: Measures = {
  regionPsnr: null,
  regionSsim: null,
  psnr: null,
  ssim: null,
  psnrEq8: null,
  visiblePsnr: null,
  gradientEnergy: null,
  area: null,
  iou: null,
  leftOver: null,
  strapsLeft: null,
  eyesErased: null,
  earsErased: null,
  beyondErased: null,
};

export type Answer = {
  readonly raster: Raster;
  /** 1 for each pixel that was restored, in the photo's framing; undefined where nothing tells. */
  readonly restored?: Plane | undefined;
  /** P(garment) of each pixel, in the photo's framing; undefined where the way there does not tell. */
  readonly probability?: Plane | undefined;
};

/**
 * All numbers of one answer. `garment`: above 0 on the pixels that the mask changes; `fabric`: on those that it covers by half or more,
 * which the region found is held against. Definitions as in evaluate.py: RGB, peak 255; the region's SSIM over windows that lie inside
 * the picture; gradient energy relative to the truth's. About 50 ms for 256x256.
 */
export function measureAnswer(
  truth: Raster,
  { garment, fabric }: { readonly garment: Plane; readonly fabric: Plane },
  { raster, restored, probability }: Answer,
): Measures {
  const { width, height } = truth;
  const visible = { width, height, data: garment.data.map((value) => (value > 0 ? 0 : 1)) };
  return {
    ...nothingMeasured,
    regionPsnr: regionPsnr(raster, truth, garment),
    regionSsim: finiteOrNull(regionSsim(raster, truth, insideMargin(garment))),
    psnr: psnr(raster, truth),
    ssim: ssim(raster, truth),
    psnrEq8: psnrEq8(meanSquaredError(raster, truth), width, height),
    visiblePsnr: regionPsnr(raster, truth, visible),
    gradientEnergy: gradientEnergy(raster, garment) / Math.max(gradientEnergy(truth, garment), 1e-9),
    area: shareOf(garment.data, isSet),
    iou: probability === undefined ? null : intersectionOverUnion(fabric, atLeastHalf(probability)),
    leftOver: restored === undefined ? null : shareLeftOver(garment, restored),
  };
}

/**
 * All that can be said of an answer to a photo without a truth. `drawn`: the mask as a hand outlined it, in the answer's framing: 255 fabric,
 * 192 the course of straps, 160 the eyes, 144 the ears, 136 what else lies further than 6 px of the crop from fabric and straps, 128 what
 * lies nearer, 0 beyond the photo's edge, where nothing counts. What is erased of the 136 is counted in areas of the fabric.
 */
export function measureOutline(drawn: Raster, { restored, probability }: Answer): Measures {
  if (!restored || !probability) return nothingMeasured;
  const [fabric, inside] = [planeOf(drawn, 255), planeOf(drawn, 128)];
  const [straps, eyes] = [between(drawn, 192, 255), between(drawn, 160, 192)];
  const [ears, beyond] = [between(drawn, 144, 160), between(drawn, 136, 144)];
  // Straps are not in the outline: an opening takes them off the answer.
  const opened = openRegion(atLeastHalf(probability));
  const erased = (part: Plane) => {
    const left = shareLeftOver(part, restored);
    return left === null ? null : 1 - left;
  };
  return {
    ...nothingMeasured,
    area: shareOf(fabric.data, isSet),
    iou: intersectionOverUnion(fabric, overlap(opened, inside)),
    leftOver: shareLeftOver(fabric, restored),
    strapsLeft: shareLeftOver(straps, restored),
    eyesErased: erased(eyes),
    earsErased: erased(ears),
    beyondErased: shareOf(overlap(beyond, restored).data, isSet) / shareOf(fabric.data, isSet),
  };
}

/** Pixels that both have. */
function overlap(one: Plane, other: Plane): Plane {
  return { ...one, data: one.data.map((value, pixel) => value * (other.data[pixel] ?? 0)) };
}

/** Pixels of a decoded region whose byte is at least `least` and less than `below`. */
function between(drawn: Raster, least: number, below: number): Plane {
  const [inside, beyond] = [planeOf(drawn, least), planeOf(drawn, below)];
  return { ...inside, data: inside.data.map((value, pixel) => value - (beyond.data[pixel] ?? 0)) };
}

/** Windows of Wang's SSIM reach this far; those of the outermost pixels do not lie inside the picture. */
const windowRadius = 5;

function insideMargin({ width, height, data }: Plane): Plane {
  const inner = new Float32Array(width * height);
  for (let y = windowRadius; y < height - windowRadius; y++) {
    const from = y * width;
    inner.set(data.subarray(from + windowRadius, from + width - windowRadius), from + windowRadius);
  }
  return { width, height, data: inner };
}

/** Sum of the squared differences of neighbouring luma values (ITU-R BT.601) where both neighbours lie in the region; levels squared. */
export function gradientEnergy({ channels, data }: Raster, { width, height, data: region }: Plane): number {
  const luma = Float64Array.from({ length: width * height }, (_, pixel) => {
    const at = pixel * channels;
    return 0.299 * (data[at] ?? 0) + 0.587 * (data[at + 1] ?? 0) + 0.114 * (data[at + 2] ?? 0);
  });
  const inRegion = (pixel: number) => (region[pixel] ?? 0) > 0;
  const step = (from: number, to: number) => ((luma[to] ?? 0) - (luma[from] ?? 0)) ** 2;
  let energy = 0;
  for (let pixel = 0; pixel < luma.length; pixel++) {
    if (!inRegion(pixel)) continue;
    if ((pixel + 1) % width !== 0 && inRegion(pixel + 1)) energy += step(pixel, pixel + 1);
    if (pixel + width < luma.length && inRegion(pixel + width)) energy += step(pixel, pixel + width);
  }
  return energy;
}

/** Of two regions (above 0 = inside); 1 when both are empty. */
export function intersectionOverUnion(one: Plane, other: Plane): number {
  let [both, either] = [0, 0];
  for (let pixel = 0; pixel < one.data.length; pixel++) {
    const [inOne, inOther] = [(one.data[pixel] ?? 0) > 0, (other.data[pixel] ?? 0) > 0];
    if (inOne && inOther) both++;
    if (inOne || inOther) either++;
  }
  return either === 0 ? 1 : both / either;
}

/** Share of the garment's pixels that were not restored; null without a garment. */
export function shareLeftOver(garment: Plane, restored: Plane): number | null {
  let [covered, left] = [0, 0];
  for (let pixel = 0; pixel < garment.data.length; pixel++) {
    if ((garment.data[pixel] ?? 0) <= 0) continue;
    covered++;
    if ((restored.data[pixel] ?? 0) <= 0) left++;
  }
  return covered === 0 ? null : left / covered;
}

export const atLeastHalf = ({ width, height, data }: Plane): Plane => ({
  width,
  height,
  data: data.map((value) => (value > 0.5 ? 1 : 0)),
});

const isSet = (value: number) => value > 0;

export function shareOf(data: Float32Array, fits: (value: number) => boolean): number {
  return data.reduce((count, value) => count + (fits(value) ? 1 : 0), 0) / data.length;
}

const finiteOrNull = (value: number): number | null => (Number.isFinite(value) ? value : null);
