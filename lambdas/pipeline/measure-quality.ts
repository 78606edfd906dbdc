import type { Box } from '#image/box.ts';
import { meanSquaredError, psnr, psnrEq8, regionPsnr, regionSsim, ssim } from '#image/quality.ts';
import type { Plane, Raster } from '#image/raster.ts';
import type { Quality } from './metrics-record.ts';

export type Region = { readonly box: Box; readonly plane: Plane };

/**
 * Quality of each restored region against the reference: same width and height, RGB. The whole-photo figures are the same for every
 * face of a photo. Takes about half a second per megapixel. Infinite PSNR (identical pixels) becomes null: JSON has no infinity.
 */
export function measureQuality(raster: Raster, reference: Raster, regions: readonly Region[]): readonly Quality[] {
  const { width, height } = raster;
  const whole = {
    psnr: finite(psnr(raster, reference)),
    ssim: ssim(raster, reference),
    psnrEq8: finite(psnrEq8(meanSquaredError(raster, reference), width, height)),
  };
  return regions.map((region) => {
    const plane = wholePlane(region, width, height);
    return {
      psnr: whole.psnr,
      ssim: whole.ssim,
      regionPsnr: finite(regionPsnr(raster, reference, plane)),
      regionSsim: regionSsim(raster, reference, plane),
      psnrEq8: whole.psnrEq8,
    };
  });
}

const finite = (decibels: number): number | null => (Number.isFinite(decibels) ? decibels : null);

function wholePlane({ box, plane }: Region, width: number, height: number): Plane {
  const data = new Float32Array(width * height);
  for (let row = 0; row < plane.height; row++) {
    data.set(plane.data.subarray(row * plane.width, (row + 1) * plane.width), (box.y + row) * width + box.x);
  }
  return { width, height, data };
}
