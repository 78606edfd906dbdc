import type { Plane, Raster } from './raster.ts';

/** Side of the blocks that are ranked by flatness. */
const blockSide = 16;
/** Enough for a steady figure; larger photos are sampled evenly. */
const mostBlocks = 2048;
/** Share of the blocks, the flattest, that are believed: even busy pictures have some sky, wall or skin. */
const flattestShare = 0.15;
/** Blocks with a larger share of pixels at 0 or 255 have lost noise to clipping ... */
const clippedShare = 0.01;
/** ... unless that leaves fewer blocks than this share of them: then the least clipped. */
const leastShare = 0.25;
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
  const frames = candidateFrames(raster, region);
  if (frames.length === 0) return 0;
  let sum = 0;
  for (let channel = 0; channel < 3; channel++) {
    sum += medianResponse(raster, believedBlocks(raster, frames, channel), channel);
  }
  return sum / 3 / (medianOfHalfNormal * maskGain);
}

function candidateFrames({ width, height }: Raster, region?: Plane): readonly Frame[] {
  if (width < 3 || height < 3) return [];
  const [blockWidth, blockHeight] = [Math.min(blockSide, width), Math.min(blockSide, height)];
  const [columns, rows] = [Math.floor(width / blockWidth), Math.floor(height / blockHeight)];
  const stride = Math.max(1, Math.ceil(Math.sqrt((columns * rows) / mostBlocks)));
  const frames: Frame[] = [];
  for (let row = 0; row < rows; row += stride) {
    for (let column = 0; column < columns; column += stride) {
      const frame = { x: column * blockWidth, y: row * blockHeight, width: blockWidth, height: blockHeight };
      if (!region || liesInside(frame, region)) frames.push(frame);
    }
  }
  return frames;
}

/** The flattest of the blocks that clipping has left alone. */
function believedBlocks(raster: Raster, frames: readonly Frame[], channel: number): readonly Frame[] {
  const blocks = frames.map((frame) => ({ frame, ...coarseStructure(raster, frame, channel) }));
  const share = (part: number) => Math.max(1, Math.round(blocks.length * part));
  const leastClipped = blocks.toSorted((a, b) => a.clipped - b.clipped);
  const allowed = Math.max(clippedShare, leastClipped[share(leastShare) - 1]!.clipped);
  return leastClipped
    .filter(({ clipped }) => clipped <= allowed)
    .toSorted((a, b) => a.structure - b.structure)
    .slice(0, share(flattestShare))
    .map(({ frame }) => frame);
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

/**
 * Share of clipped pixels, and the variance of the means of the block's 4x4 cells about the plane through them: texture and edges, not
 * shading, hardly noise.
 */
function coarseStructure(
  { width, channels, data }: Raster,
  frame: Frame,
  channel: number,
): { readonly clipped: number; readonly structure: number } {
  const cell = 4;
  const columns = Math.max(1, Math.floor(frame.width / cell));
  const rows = Math.max(1, Math.floor(frame.height / cell));
  let clipped = 0;
  let sum = 0;
  let squares = 0;
  let slopeX = 0;
  let slopeY = 0;
  for (let j = 0; j < rows; j++) {
    for (let i = 0; i < columns; i++) {
      let total = 0;
      const endX = Math.min(cell, frame.width - i * cell);
      const endY = Math.min(cell, frame.height - j * cell);
      for (let y = 0; y < endY; y++) {
        let at = ((frame.y + j * cell + y) * width + frame.x + i * cell) * channels + channel;
        for (let x = 0; x < endX; x++, at += channels) {
          const value = data[at]!;
          total += value;
          if (value === 0 || value === 255) clipped++;
        }
      }
      const mean = total / (endX * endY);
      sum += mean;
      squares += mean * mean;
      slopeX += mean * (i - (columns - 1) / 2);
      slopeY += mean * (j - (rows - 1) / 2);
    }
  }
  const spread = (n: number) => (n * (n * n - 1)) / 12; // sum of squared distances from the middle of n cells
  const explained = (slope: number, along: number, across: number) =>
    along > 1 ? slope ** 2 / (spread(along) * across) : 0;
  const count = columns * rows;
  const residual = squares - sum ** 2 / count - explained(slopeX, columns, rows) - explained(slopeY, rows, columns);
  return { clipped: clipped / (frame.width * frame.height), structure: Math.max(0, residual) / count };
}

/** Median of the mask's absolute responses, between whole levels by interpolation. */
function medianResponse({ width, channels, data }: Raster, blocks: readonly Frame[], channel: number): number {
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
