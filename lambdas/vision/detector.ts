import { type Box, nonMaximumSuppression } from '#image/box.ts';
import type { Point } from '#image/geometry.ts';
import { createRaster, type Raster } from '#image/raster.ts';
import { toTensor } from '#image/tensor.ts';
import { letterbox, warpRaster } from '#image/warp.ts';
import type { Face } from '#pipeline/face.ts';
import type { Detector } from '#pipeline/ports.ts';
import type { Model } from './model.ts';

export type DetectorOptions = {
  /**
   * Scale of the second pass, for photos that the first pass shrinks further than this (longest side over 1,280 px at 0.5). The network is
   * good for faces of 20 to 24 px, so 0.5 finds those of 40 to 48 px of the photo. Runs for 12 MP: 13 at 0.5, 7 at 0.3; for 50 MP: 55 and 21.
   */
  readonly tileScale?: number;
};

/** Shared by neighbouring tiles, in their pixels: every face up to this size lies whole in one of them. The first pass sees the larger ones. */
const tileOverlap = 128;

/** A face that ends this close to a tile's inner edge is taken as cut; the neighbour has it whole. In tile pixels. */
const cutMargin = 2;

/** A candidate is a part of a face (an eye behind glasses, a mouth) when this share of it lies inside a larger one that is nearly as sure. */
const partShare = 0.7;
const partScore = 0.8;

/**
 * Faces of a photo in one pass over the whole letterboxed photo, and for large photos a second one in tiles; one non-maximum suppression over
 * both. Cost: network runs, about 55 ms each on one core.
 */
export function createDetector(model: Model, options: DetectorOptions = {}): Detector {
  const { tileScale = 0.5, ...unknown } = options;
  const [unknownOption] = Object.keys(unknown);
  if (unknownOption !== undefined) {
    throw new TypeError(`Expected option tileScale but received ${unknownOption}.`);
  }
  const [input] = model.description.inputs;
  const [, , , size] = input.shape;
  const parameters = readParameters(model);

  const look = async (square: Raster, window: Window): Promise<readonly Face[]> =>
    decode(await model.run(toTensor(square, input)), window, parameters);

  return {
    model: model.identity,
    async localise(raster) {
      const { raster: square, scale } = letterbox(raster, size);
      const found = [...(await look(square, wholeWindow(raster, scale)))];
      if (scale < tileScale) {
        const small = shrink(raster, tileScale);
        for (const { left, top } of placeTiles(small, size)) {
          const window = tileWindow(raster, tileScale, left, top, size);
          const tiled = await look(cutTile(small, left, top, size), window);
          found.push(...tiled.filter(({ box }) => !isCut(box, window)));
        }
      }
      return withoutParts(nonMaximumSuppression(found, parameters.nmsIou));
    },
  };
}

/** How a network input lies in the photo: input = (photo - origin) * scale. */
type Window = {
  readonly scale: number;
  readonly x: number;
  readonly y: number;
  readonly photo: Raster;
  /** What of the photo it shows, in photo pixels. Edges inside the photo cut faces. */
  readonly shown: Box;
};

function wholeWindow(photo: Raster, scale: number): Window {
  const { width, height } = photo;
  return { scale, x: 0, y: 0, photo, shown: { x: 0, y: 0, width, height } };
}

function tileWindow(photo: Raster, scale: number, left: number, top: number, size: number): Window {
  const x = left / scale;
  const y = top / scale;
  const width = Math.min(size / scale, photo.width - x);
  const height = Math.min(size / scale, photo.height - y);
  return { scale, x, y, photo, shown: { x, y, width, height } };
}

type Parameters = { readonly scoreThreshold: number; readonly nmsIou: number; readonly maskThreshold: number };

/** Candidates over the threshold, in photo pixels, boxes clipped to the photo. */
function decode(
  { boxes, eyes, scores, maskProbabilities }: Readonly<Record<string, Float32Array>>, // [1, N, 4], [1, N, 4], [1, N], [1, N]
  window: Window,
  { scoreThreshold, maskThreshold }: Parameters,
): readonly Face[] {
  if (!boxes || !eyes || !scores || !maskProbabilities) {
    throw new Error('Expected outputs boxes, eyes, scores and maskProbabilities of the detector, as models.json says.');
  }
  const { scale, x, y, photo } = window;
  // Edges scale from edge to edge; points scale from pixel centre to pixel centre, half a pixel in.
  const point = (at: number): Point => ({
    x: x + (eyes[at]! + 0.5) / scale - 0.5,
    y: y + (eyes[at + 1]! + 0.5) / scale - 0.5,
  });
  const faces: Face[] = [];
  scores.forEach((score, candidate) => {
    if (!(score >= scoreThreshold)) {
      return;
    }
    const at = candidate * 4;
    const left = clamp(x + boxes[at]! / scale, photo.width);
    const top = clamp(y + boxes[at + 1]! / scale, photo.height);
    const right = clamp(x + boxes[at + 2]! / scale, photo.width);
    const bottom = clamp(y + boxes[at + 3]! / scale, photo.height);
    if (!(right > left && bottom > top)) {
      return; // wholly in the padding
    }
    const maskProbability = maskProbabilities[candidate]!;
    faces.push({
      box: { x: left, y: top, width: right - left, height: bottom - top },
      eyes: [point(at), point(at + 2)],
      score,
      maskProbability,
      masked: maskProbability >= maskThreshold,
    });
  });
  return faces;
}

function isCut(box: Box, { shown, photo, scale }: Window): boolean {
  const margin = cutMargin / scale;
  const right = shown.x + shown.width;
  const bottom = shown.y + shown.height;
  return (
    (shown.x > 0 && box.x < shown.x + margin) ||
    (shown.y > 0 && box.y < shown.y + margin) ||
    (right < photo.width - margin && box.x + box.width > right - margin) ||
    (bottom < photo.height - margin && box.y + box.height > bottom - margin)
  );
}

function withoutParts(faces: readonly Face[]): readonly Face[] {
  const isPartOf = (part: Face, whole: Face) =>
    area(whole.box) > area(part.box) &&
    whole.score >= partScore * part.score &&
    shareInside(part.box, whole.box) > partShare;
  return faces.filter((face) => !faces.some((other) => isPartOf(face, other)));
}

function shareInside(inner: Box, outer: Box): number {
  const width = Math.min(inner.x + inner.width, outer.x + outer.width) - Math.max(inner.x, outer.x);
  const height = Math.min(inner.y + inner.height, outer.y + outer.height) - Math.max(inner.y, outer.y);
  return width > 0 && height > 0 ? (width * height) / area(inner) : 0;
}

function area({ width, height }: Box): number {
  return width * height;
}

/** The whole photo made smaller once, not once per tile. */
function shrink(raster: Raster, scale: number): Raster {
  const width = Math.round(raster.width * scale);
  const height = Math.round(raster.height * scale);
  // Pixel centres: the first centre of the small raster lies half a small pixel in.
  const shift = 0.5 * scale - 0.5;
  return warpRaster(raster, { a: scale, b: 0, tx: shift, ty: shift }, width, height);
}

function placeTiles(
  { width, height }: Raster,
  size: number,
): readonly { readonly left: number; readonly top: number }[] {
  return startsAlong(height, size).flatMap((top) => startsAlong(width, size).map((left) => ({ left, top })));
}

function startsAlong(length: number, size: number): readonly number[] {
  const count = Math.max(1, Math.ceil((length - tileOverlap) / (size - tileOverlap)));
  return Array.from({ length: count }, (_, index) =>
    count === 1 ? 0 : Math.round((index * (length - size)) / (count - 1)),
  );
}

/** A square of the raster; grey, as in the letterbox, beyond its end. */
function cutTile({ width, height, channels, data }: Raster, left: number, top: number, size: number): Raster {
  const out = new Uint8Array(size * size * channels).fill(128);
  const columns = Math.min(size, width - left) * channels;
  for (let row = 0; row < Math.min(size, height - top); row += 1) {
    const from = ((top + row) * width + left) * channels;
    out.set(data.subarray(from, from + columns), row * size * channels);
  }
  return createRaster(size, size, channels, out);
}

function clamp(value: number, max: number): number {
  return Math.min(Math.max(value, 0), max);
}

function readParameters({ description: { name, parameters } }: Model): Parameters {
  const { scoreThreshold, nmsIou, maskThreshold } = parameters;
  if (typeof scoreThreshold !== 'number' || typeof nmsIou !== 'number' || typeof maskThreshold !== 'number') {
    throw new Error(`Expected parameters scoreThreshold, nmsIou and maskThreshold of ${name} in models.json.`);
  }
  return { scoreThreshold, nmsIou, maskThreshold };
}
