import { alignFace, cropSize } from '#image/geometry.ts';
import { estimateNoiseSigma } from '#image/noise.ts';
import { pasteRegion } from '#image/paste.ts';
import type { Raster } from '#image/raster.ts';
import { seamVisibility } from '#image/seam.ts';
import { warpRaster } from '#image/warp.ts';
import type { Face } from './face.ts';
import type { FaceRecord } from './metrics-record.ts';
import { untouchedFace } from './plain-record.ts';
import type { Denoiser, Unmasker } from './ports.ts';
import type { DenoiseMode } from './processing.ts';

/**
 * Pixels of the crop over which the restored part fades into the photo: inside the region, so nothing outside it changes, and less than
 * the 3 by which a region is wider than the mask, whose edge would show as a line.
 */
const featherPixels = 2;

export type UnmaskedFace = {
  readonly raster: Raster;
  readonly face: FaceRecord;
  /** Where pixels changed: a box of the photo and, of the same size, 1 for each changed pixel; undefined when nothing did. */
  readonly region: ReturnType<typeof pasteRegion>['region'];
};

export type FaceTools = {
  readonly unmasker: Unmasker;
  readonly denoiser: Denoiser;
  readonly denoise: DenoiseMode;
  /** Seeds the grain, so that the same job gives the same bytes. */
  readonly seed: number;
  readonly time: <Result>(
    stage: 'denoiseMs' | 'unmaskMs' | 'pasteMs',
    work: () => Result | Promise<Result>,
  ) => Promise<Result>;
};

/** Restores one masked face: photo -> aligned 256x256 crop -> denoised if noisy -> unmasked -> pasted back under a feathered edge. */
export async function unmaskFace(raster: Raster, face: Face, tools: FaceTools): Promise<UnmaskedFace> {
  const { unmasker, denoiser, denoise, seed, time } = tools;
  const toCrop = alignFace(face);
  const crop = await time('pasteMs', () => warpRaster(raster, toCrop, cropSize, cropSize));
  const noiseSigma = await time('denoiseMs', () => estimateNoiseSigma(crop));
  const denoised = denoise === 'region' && noiseSigma > denoiser.sigmaThreshold;
  const seen = denoised ? await time('denoiseMs', () => denoiser.denoise(crop)) : crop;
  const restored = await time('unmaskMs', () => unmasker.unmask(seen));

  return time('pasteMs', () => {
    const pasted = pasteRegion(raster, restored, toCrop, { featherPixels, grain: { seed }, sharpen: true });
    const { region } = pasted;
    const area = sumOf(region.plane.data);
    return {
      raster: pasted.raster,
      region,
      face: {
        ...untouchedFace(face),
        maskCoverage: area / (face.box.width * face.box.height),
        noiseSigma,
        denoised,
        seam: area === 0 ? null : seamVisibility(pasted.raster, region.plane, region.box),
      },
    };
  });
}

function sumOf(values: Float32Array): number {
  let sum = 0;
  for (let at = 0; at < values.length; at++) sum += values[at] ?? 0; // for-of takes five times as long
  return sum;
}
