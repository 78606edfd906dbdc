import { createHash } from 'node:crypto';
import { areaOf, type Box, shareInside } from '#image/box.ts';
import { applySimilarity, invertSimilarity, type Point, type Similarity } from '#image/geometry.ts';
import type { Raster } from '#image/raster.ts';
import { toTensor } from '#image/tensor.ts';
import { warpRaster } from '#image/warp.ts';
import { type Face, rollDegrees } from '#pipeline/face.ts';
import type { Detector } from '#pipeline/ports.ts';
import type { Model } from './model.ts';
import { judgeUpright, lookAgain } from './second-look.ts';
import { createTensorPool } from './tensor-pool.ts';

export type LocatedEyes = {
  /** The person's right eye, then the left, in pixels of the photo. */
  readonly eyes: Face['eyes'];
  /** 0..1, how sure the locator is that there is a face in the box. */
  readonly presence: number;
};

export type EyeLocator = {
  readonly model: Model['identity'];
  /** Below it, what the detector took for a face is none. */
  readonly presenceThreshold: number;
  /** The eyes of the face in the box, at any roll. One look at a level head, two at another, about 2.5 ms each on one core. */
  locate(raster: Raster, box: Box): Promise<LocatedEyes>;
};

/** More turn than this of a head, in degrees, is worth a second look: below, the turned window would show the same. */
const levelDegrees = 4;

/** Looks at the window around the box, then, unless the head is level, at the same window turned so that the eyes of the first look are. */
export function createEyeLocator(model: Model): EyeLocator {
  const [input] = model.description.inputs;
  const [, , , side] = input.shape;
  const { window, presenceThreshold } = readParameters(model);

  const withTensor = createTensorPool(3 * side * side);

  async function look(raster: Raster, toWindow: Similarity): Promise<LocatedEyes> {
    const square = warpRaster(raster, toWindow, side, side);
    const { eyes, presence } = await withTensor((tensor) => model.run(toTensor(square, input, tensor))); // [1, 4], [1, 1]
    if (!eyes || !presence) {
      throw new Error(`Expected outputs eyes and presence of ${model.identity.name}, as models.json says.`);
    }
    const toPhoto = invertSimilarity(toWindow);
    const point = (at: number): Point => applySimilarity(toPhoto, { x: eyes[at]!, y: eyes[at + 1]! });
    return { eyes: [point(0), point(2)], presence: presence[0]! };
  }

  return {
    model: model.identity,
    presenceThreshold,
    async locate(raster, box) {
      const first = await look(raster, windowAround(box, side, window, 0));
      // One that sees no face may see one in the turned window.
      if (first.presence >= presenceThreshold && Math.abs(rollDegrees(first)) <= levelDegrees) return first;
      const second = await look(raster, windowAround(box, side, window, -rollDegrees(first)));
      return { eyes: second.eyes, presence: Math.max(first.presence, second.presence) };
    },
  };
}

/** Photo -> window of `side` pixels: the box's longer side times `window` fills it, turned by `degrees` around the box's middle. */
function windowAround({ x, y, width, height }: Box, side: number, window: number, degrees: number): Similarity {
  const scale = side / (window * Math.max(width, height));
  const turn = (degrees * Math.PI) / 180;
  const [a, b] = [scale * Math.cos(turn), scale * Math.sin(turn)];
  // A box has edges, a point is a pixel's centre: half a pixel apart.
  const centre = { x: x + width / 2 - 0.5, y: y + height / 2 - 0.5 };
  const middle = (side - 1) / 2;
  return { a, b, tx: middle - (a * centre.x - b * centre.y), ty: middle - (b * centre.x + a * centre.y) };
}

export type ConfirmOptions = {
  /** Candidates of a lower score are taken only when the locator is `certainPresence` sure of them. Default 0: none is doubted. */
  readonly sureScore?: number;
};

/** Most of the doubtful candidates are no faces, and of those the locator seldom is so certain. What it brings: open-detector.ts. */
const certainPresence = 0.995;

/**
 * A detector whose faces have the locator's eyes, and without what the locator takes for no face. The detector's own eyes are good to a
 * cell of its grid; the crop of a face is aligned on the eyes alone and wants them to a few per cent of their distance. A photo in which
 * nothing is left is looked at again for faces that fill it or lie; whether a large lying face wears a mask is judged from its upright crop.
 */
export function withLocatedEyes(detector: Detector, locator: EyeLocator, options: ConfirmOptions = {}): Detector {
  const { model } = detector;
  const { sureScore = 0 } = options;
  return {
    model: {
      name: `${model.name}+${locator.model.name}`,
      version: `${model.version}+${locator.model.version}`,
      sha256: createHash('sha256').update(model.sha256).update(locator.model.sha256).digest('hex'),
    },
    async localise(raster) {
      const seen = await confirmed(await detector.localise(raster), raster, locator, sureScore);
      const faces =
        seen.length > 0 ? seen : await confirmed(await lookAgain(raster, detector), raster, locator, sureScore);
      const judged: Face[] = [];
      for (const face of faces) judged.push(await judgeUpright(face, raster, detector));
      return judged;
    },
  };
}

type Confirmed = { readonly face: Face; readonly presence: number };

async function confirmed(
  faces: readonly Face[],
  raster: Raster,
  locator: EyeLocator,
  sureScore: number,
): Promise<readonly Face[]> {
  const sure: Confirmed[] = [];
  for (const found of faces) {
    const { eyes, presence } = await locator.locate(raster, found.box);
    const face = { ...found, eyes };
    const least = found.score >= sureScore ? locator.presenceThreshold : certainPresence;
    if (presence >= least && hasPlausibleEyes(face) && !sure.some((other) => areOneFace(face, other.face))) {
      sure.push({ face, presence });
    }
  }
  return sure.filter((one) => !sure.some((other) => isPartOf(one, other))).map(({ face }) => face);
}

/** Of a face that fills the photo an eye or the mask may pass for one: the larger box, if it is as sure to hold a face, is the face. */
const partShare = 0.7;

function isPartOf(part: Confirmed, whole: Confirmed): boolean {
  return (
    whole.presence >= part.presence &&
    areaOf(whole.face.box) > areaOf(part.face.box) &&
    shareInside(part.face.box, whole.face.box) > partShare
  );
}

/**
 * Between the eyes of a frontal face lie about 0.4 of its box's longer side, of one turned by 45 degrees 0.28. Emblems and patterns that
 * pass for a face have both "eyes" in nearly one place.
 */
const leastEyeDistance = 0.2;

function hasPlausibleEyes({ box, eyes }: Face): boolean {
  return eyeDistance(eyes) >= leastEyeDistance * Math.max(box.width, box.height);
}

/** Two boxes around the same eyes: faces come best first, so the one before stays. */
function areOneFace({ eyes }: Face, other: Face): boolean {
  const [here, there] = [middleOf(eyes), middleOf(other.eyes)];
  const apart = Math.hypot(here.x - there.x, here.y - there.y);
  return apart < 0.5 * Math.max(eyeDistance(eyes), eyeDistance(other.eyes));
}

const eyeDistance = ([right, left]: Face['eyes']): number => Math.hypot(left.x - right.x, left.y - right.y);
const middleOf = ([right, left]: Face['eyes']): Point => ({ x: (right.x + left.x) / 2, y: (right.y + left.y) / 2 });

function readParameters({ description: { name, parameters } }: Model): { window: number; presenceThreshold: number } {
  const { window, presenceThreshold } = parameters;
  if (typeof window !== 'number' || window <= 0 || typeof presenceThreshold !== 'number') {
    throw new Error(`Expected parameters window and presenceThreshold of ${name} in models.json.`);
  }
  return { window, presenceThreshold };
}
