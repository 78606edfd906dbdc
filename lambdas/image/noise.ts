import type { Plane, Raster } from './raster.ts';

/** Side of the blocks that are ranked by flatness. */
const blockSide = 16;
/** Enough for a steady figure; larger photos are sampled evenly. */
const mostBlocks = 2048;
/** Share of the blocks, the flattest, that are believed: even busy pictures have some sky, wall or skin. */
const flattestShare = 0.15;
/** Blocks as dark or as bright as this have lost noise to clipping. */
const darkest = 12;
const brightest = 243;
/** Median of |x| of a standard normal, and the gain of the mask below on white noise: sqrt(1+4+1+4+16+4+1+4+1). */
const medianOfHalfNormal = 0.6745;
const maskGain = 6;

/**
 * Standard deviation of white Gaussian noise, of 255, mean over R, G and B; 0 for pictures under 3x3. With a region (same framing), only
 * blocks that lie wholly inside it are looked at.
 *
 * Response to the mask [1 -2 1; -2 4 -2; 1 -2 1], which is blind to edges along x and y (J. Immerkaer, "Fast noise variance estimation",
 * 1996), robustly scaled by its median (Donoho and Johnstone 1994), over the flattest blocks, which are ranked by coarser structure so
 * that the choice does not favour accidentally quiet noise. At most 10 ms however large the photo.
 */
export function estimateNoiseSigma(raster: Raster, region?: Plane): number {
  const blocks = candidateBlocks(raster, region);
  const exposed = blocks.filter(({ mean }) => mean > darkest && mean < brightest);
  const ranked = (exposed.length > 0 ? exposed : blocks).toSorted((a, b) => a.structure - b.structure);
  const believed = ranked.slice(0, Math.max(1, Math.round(ranked.length * flattestShare)));
  if (believed.length === 0) return 0;
  let sum = 0;
  for (let channel = 0; channel < 3; channel++) sum += medianResponse(raster, believed, channel);
  return sum / 3 / (medianOfHalfNormal * maskGain);
}

type Block = {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly mean: number;
  readonly structure: number;
};

function candidateBlocks(raster: Raster, region?: Plane): readonly Block[] {
  const { width, height } = raster;
  if (width < 3 || height < 3) return [];
  const [blockWidth, blockHeight] = [Math.min(blockSide, width), Math.min(blockSide, height)];
  const [columns, rows] = [Math.floor(width / blockWidth), Math.floor(height / blockHeight)];
  const stride = Math.max(1, Math.ceil(Math.sqrt((columns * rows) / mostBlocks)));
  const blocks: Block[] = [];
  for (let row = 0; row < rows; row += stride) {
    for (let column = 0; column < columns; column += stride) {
      const frame = { x: column * blockWidth, y: row * blockHeight, width: blockWidth, height: blockHeight };
      if (region && !liesInside(frame, region)) continue;
      blocks.push({ ...frame, ...coarseStructure(raster, frame) });
    }
  }
  return blocks;
}

type Frame = { readonly x: number; readonly y: number; readonly width: number; readonly height: number };

function liesInside(frame: Frame, region: Plane): boolean {
  for (let y = frame.y; y < frame.y + frame.height; y++) {
    for (let x = frame.x; x < frame.x + frame.width; x++) {
      if (region.data[y * region.width + x]! <= 0) return false;
    }
  }
  return true;
}

/** Mean green, and the variance of the means of its 4x4 cells about the plane through them: texture, edges, not shading, hardly noise. */
function coarseStructure(
  { width, channels, data }: Raster,
  frame: Frame,
): { readonly mean: number; readonly structure: number } {
  const cell = 4;
  const [columns, rows] = [Math.max(1, Math.floor(frame.width / cell)), Math.max(1, Math.floor(frame.height / cell))];
  let [sum, squares, slopeX, slopeY] = [0, 0, 0, 0];
  for (let j = 0; j < rows; j++) {
    for (let i = 0; i < columns; i++) {
      let total = 0;
      const [endX, endY] = [Math.min(cell, frame.width - i * cell), Math.min(cell, frame.height - j * cell)];
      for (let y = 0; y < endY; y++) {
        let at = ((frame.y + j * cell + y) * width + frame.x + i * cell) * channels + 1;
        for (let x = 0; x < endX; x++, at += channels) total += data[at]!;
      }
      const mean = total / (endX * endY);
      sum += mean;
      squares += mean * mean;
      slopeX += mean * (i - (columns - 1) / 2);
      slopeY += mean * (j - (rows - 1) / 2);
    }
  }
  const count = columns * rows;
  const spread = (n: number) => (n * (n * n - 1)) / 12; // sum of squared distances from the middle of n cells
  const explained = (slope: number, along: number, across: number) =>
    along > 1 ? slope ** 2 / (spread(along) * across) : 0;
  const residual = squares - sum ** 2 / count - explained(slopeX, columns, rows) - explained(slopeY, rows, columns);
  return { mean: sum / count, structure: Math.max(0, residual) / count };
}

/** Median of the mask's absolute responses, between whole levels by interpolation. */
function medianResponse({ width, channels, data }: Raster, blocks: readonly Block[], channel: number): number {
  const histogram = new Uint32Array(8 * 255 + 1);
  let count = 0;
  const line = width * channels;
  for (const block of blocks) {
    for (let y = block.y + 1; y < block.y + block.height - 1; y++) {
      let at = (y * width + block.x + 1) * channels + channel;
      for (let x = 1; x < block.width - 1; x++, at += channels) {
        const corners =
          data[at - line - channels]! +
          data[at - line + channels]! +
          data[at + line - channels]! +
          data[at + line + channels]!;
        const sides = data[at - channels]! + data[at + channels]! + data[at - line]! + data[at + line]!;
        const response = Math.abs(corners - 2 * sides + 4 * data[at]!);
        histogram[response] = histogram[response]! + 1;
        count++;
      }
    }
  }
  // |response| r stands for r - 1/2 .. r + 1/2, and 0 for 0 .. 1/2.
  let below = 0;
  for (let response = 0; response < histogram.length; response++) {
    const here = histogram[response]!;
    if (below + here >= count / 2 && here > 0) {
      const share = (count / 2 - below) / here;
      return response === 0 ? share / 2 : response - 0.5 + share;
    }
    below += here;
  }
  return 0;
}
