import { areaOf, type Box, nonMaximumSuppression, shareInside } from '#image/box.ts';
import type { Point } from '#image/geometry.ts';
import { letterboxTensor, resizeRaster } from '#image/letterbox.ts';
import { createRaster, type Raster } from '#image/raster.ts';
import { toTensor } from '#image/tensor.ts';
import type { Face } from '#pipeline/face.ts';
import type { Detector } from '#pipeline/ports.ts';
import type { Model } from './model.ts';
import { createTensorPool } from './tensor-pool.ts';

export type DetectorOptions = {
  /**
   * Scale of the second pass, for photos over 1,280 px. The network is good for faces of 20 to 24 px, so 0.5 finds those of 40 to 48 px of
   * the photo, and 0.75 finds nearly all of 40. Default: 0.75 where that takes few runs (3 MP: 6), else 0.5 (12 MP: 12, 50 MP: 54).
   */
  readonly tileScale?: number;
  /** Lowest score of a candidate, for a caller who confirms them otherwise. Default: the model's threshold. */
  readonly leastScore?: number;
};

/** Up to this longest side, in pixels, one pass over the whole photo is enough: it is shrunk to half at most. */
const onePassSide = 1280;

/** The finer scale of the second pass, unless it takes more tiles than this. */
const fineScale = 0.75;
const coarseScale = 0.5;
const mostFineTiles = 8;

/** Shared by neighbouring tiles, in their pixels: every face up to this size lies whole in one of them. The first pass sees the larger ones. */
const tileOverlap = 128;

/** A face that ends this close to a tile's inner edge is taken as cut; the neighbour has it whole. In tile pixels. */
const cutMargin = 2;

/** A candidate is a part of a face (an eye behind glasses, a mouth) when this share of it lies inside a larger one that is nearly as sure. */
const partShare = 0.7;
const partScore = 0.8;

/**
 * Faces of a photo in one pass over the whole letterboxed photo, and for large photos a second one in tiles; one non-maximum suppression over
 * both. Cost: network runs, about 25 to 55 ms each on one core, and 8 ms per megapixel.
 */
export function createDetector(model: Model, options: DetectorOptions = {}): Detector {
  const { tileScale, leastScore, ...unknown } = options;
  const [unknownOption] = Object.keys(unknown);
  if (unknownOption !== undefined) {
    throw new TypeError(`Expected options tileScale or leastScore but received ${unknownOption}.`);
  }
  const [input] = model.description.inputs;
  const [, , , size] = input.shape;
  const parameters = { ...readParameters(model), ...(leastScore !== undefined && { scoreThreshold: leastScore }) };

  const withTensor = createTensorPool(3 * size * size);

  const lookAtAll = (raster: Raster): Promise<readonly Face[]> =>
    withTensor(async (tensor) => {
      const scale = letterboxTensor(raster, size, input, tensor);
      return decode(await model.run(tensor), wholeWindow(raster, scale), parameters);
    });

  const lookAtTile = (square: Raster, window: Window): Promise<readonly Face[]> =>
    withTensor(async (tensor) => decode(await model.run(toTensor(square, input, tensor)), window, parameters));

  return {
    model: model.identity,
    async localise(raster) {
      const found = [...(await lookAtAll(raster))];
      const side = Math.max(raster.width, raster.height);
      const scale = tileScale ?? tileScaleFor(raster, size);
      if (side > onePassSide && size / side < scale) {
        const small = shrink(raster, scale);
        for (const { left, top } of placeTiles(small, size)) {
          const window = tileWindow(raster, scale, left, top, size);
          const tiled = await lookAtTile(cutTile(small, left, top, size), window);
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

export type Parameters = {
  readonly scoreThreshold: number;
  readonly nmsIou: number;
  readonly maskThreshold: number;
  /** P(mask) from and to which the verdict is a guess. */
  readonly abstain: readonly [number, number];
};

/** Candidates over the threshold, in photo pixels, boxes clipped to the photo. */
function decode(
  { boxes, eyes, scores, maskProbabilities }: Readonly<Record<string, Float32Array>>, // [1, N, 4], [1, N, 4], [1, N], [1, N]
  window: Window,
  { scoreThreshold, maskThreshold, abstain: [from, to] }: Parameters,
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
      ...(maskProbability >= from && maskProbability <= to && { unsure: true }),
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
    areaOf(whole.box) > areaOf(part.box) &&
    whole.score >= partScore * part.score &&
    shareInside(part.box, whole.box) > partShare;
  return faces.filter((face) => !faces.some((other) => isPartOf(face, other)));
}

/** The whole photo made smaller once, not once per tile. */
function shrink(raster: Raster, scale: number): Raster {
  return resizeRaster(raster, Math.round(raster.width * scale), Math.round(raster.height * scale));
}

function tileScaleFor({ width, height }: Raster, size: number): number {
  const fine = { width: Math.round(width * fineScale), height: Math.round(height * fineScale) };
  return placeTiles(fine, size).length <= mostFineTiles ? fineScale : coarseScale;
}

function placeTiles(
  { width, height }: Pick<Raster, 'width' | 'height'>,
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

/** @throws Error when models.json lacks one. */
export function readParameters({ description: { name, parameters } }: Model): Parameters {
  const { scoreThreshold, nmsIou, maskThreshold, abstain } = parameters;
  const [from, to] = Array.isArray(abstain) ? abstain : [];
  if (
    typeof scoreThreshold !== 'number' ||
    typeof nmsIou !== 'number' ||
    typeof maskThreshold !== 'number' ||
    from === undefined ||
    to === undefined
  ) {
    throw new Error(`Expected parameters scoreThreshold, nmsIou, maskThreshold and abstain of ${name} in models.json.`);
  }
  return { scoreThreshold, nmsIou, maskThreshold, abstain: [from, to] };
}
