import type { Plane, Raster } from './raster.ts';

export function harmoniseColours(
  { width, height, channels, data }: Raster,
  _region: Plane,
): { width: number; height: number; data: Float32Array } {
  const pixels = width * height;
  const colours = new Float32Array(pixels * 3);
  for (let i = 0; i < pixels; i++) for (let c = 0; c < 3; c++) colours[i * 3 + c] = data[i * channels + c]!;
  return { width, height, data: colours };
}
