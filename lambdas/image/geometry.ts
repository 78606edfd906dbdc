import type { Box } from './box.ts';

/** In pixels; an integer coordinate is the centre of a pixel, as in OpenCV's warpAffine. */
export type Point = { readonly x: number; readonly y: number };

/** Rotation, uniform scale and shift: (x, y) -> (a x - b y + tx, b x + a y + ty). */
export type Similarity = { readonly a: number; readonly b: number; readonly tx: number; readonly ty: number };

/** Side of the aligned face crop, in pixels: what the networks of models/ were trained on. */
export const cropSize = 256;

/** Where the eye centres lie in the crop: the person's right eye (on the image's left), then the left one. */
export const cropEyes: readonly [Point, Point] = [
  { x: 98, y: 118 },
  { x: 158, y: 118 },
];

/**
 * On a frontal face the eyes are about 0.4 of the face's height apart. On a turned head they come closer; without a lower bound its
 * crop would zoom in until the chin falls out of it.
 */
const leastEyeDistancePerFaceHeight = 0.36;

/** Width of a face over its height; only used for heads that are neither upright nor lying. */
const faceAspect = 0.8;

/** Maps a point. */
export function applySimilarity({ a, b, tx, ty }: Similarity, { x, y }: Point): Point {
  return { x: a * x - b * y + tx, y: b * x + a * y + ty };
}

/** Length in the target of one source pixel. */
export function similarityScale({ a, b }: Similarity): number {
  return Math.hypot(a, b);
}

/** The way back. @throws RangeError when the scale is zero. */
export function invertSimilarity({ a, b, tx, ty }: Similarity): Similarity {
  const square = a * a + b * b;
  if (!(square > 0)) throw new RangeError(`Expected a similarity with a scale above 0 but received a=${a}, b=${b}.`);
  return {
    a: a / square,
    b: -b / square,
    tx: -(a * tx + b * ty) / square,
    ty: (b * tx - a * ty) / square,
  };
}

/** First `first`, then `second`. */
export function composeSimilarity(second: Similarity, first: Similarity): Similarity {
  const { x: tx, y: ty } = applySimilarity(second, { x: first.tx, y: first.ty });
  return {
    a: second.a * first.a - second.b * first.b,
    b: second.b * first.a + second.a * first.b,
    tx,
    ty,
  };
}

/** The one similarity that takes two points to two others. @throws RangeError when the two source points coincide. */
export function similarityFromPoints([p1, p2]: readonly [Point, Point], [q1, q2]: readonly [Point, Point]): Similarity {
  const [px, py, qx, qy] = [p2.x - p1.x, p2.y - p1.y, q2.x - q1.x, q2.y - q1.y];
  const square = px * px + py * py;
  if (!(square > 0)) throw new RangeError(`Expected two different points but received (${p1.x}, ${p1.y}) twice.`);
  const a = (px * qx + py * qy) / square;
  const b = (px * qy - py * qx) / square;
  return { a, b, tx: q1.x - (a * p1.x - b * p1.y), ty: q1.y - (b * p1.x + a * p1.y) };
}

/**
 * Photo -> aligned 256x256 crop: the eye line becomes level with its middle at (128, 118), and the eyes 60 px apart, or nearer where
 * the face's height says that the head is turned. The eyes are given as `cropEyes` orders them, the box in pixels of the photo.
 * @throws RangeError when eyes and box are both degenerate.
 */
export function alignFace({ eyes, box }: { readonly eyes: readonly [Point, Point]; readonly box: Box }): Similarity {
  const [right, left] = eyes;
  const [x, y] = [left.x - right.x, left.y - right.y];
  const distance = Math.hypot(x, y);
  const [cosine, sine] = distance > 0 ? [x / distance, y / distance] : [1, 0];
  const span = Math.max(distance, leastEyeDistancePerFaceHeight * faceHeight(box, cosine, sine));
  if (!(span > 0 && Number.isFinite(span))) {
    throw new RangeError(`Expected a face with a size but received eyes ${distance} px apart in a box of no height.`);
  }
  const [target, opposite] = cropEyes;
  const scale = (opposite.x - target.x) / span;
  const [a, b] = [scale * cosine, -scale * sine];
  const [mx, my] = [(right.x + left.x) / 2, (right.y + left.y) / 2];
  return { a, b, tx: (target.x + opposite.x) / 2 - (a * mx - b * my), ty: target.y - (b * mx + a * my) };
}

/**
 * Height of the face along its own up axis. The detector's box bounds the ellipse that the head fills: with p, q its height and width,
 * height^2 = p^2 cos^2 + q^2 sin^2 and width^2 = p^2 sin^2 + q^2 cos^2. Exact when upright or lying; between, q is taken as 0.8 p.
 */
function faceHeight({ width, height }: Box, cosine: number, sine: number): number {
  const [c2, s2] = [cosine * cosine, sine * sine];
  const square = height * height * c2 + width * width * s2;
  return Math.sqrt(square / (c2 * c2 + s2 * s2 + 2 * faceAspect * faceAspect * c2 * s2));
}
