import type { Plane } from './raster.ts';

/** Axis-aligned, in pixels; x and y are the top-left corner. */
export type Box = { readonly x: number; readonly y: number; readonly width: number; readonly height: number };

export function areaOf({ width, height }: Box): number {
  return width * height;
}

/** How much of the inner box lies inside the outer one, 0..1; 0 for an empty box. */
export function shareInside(inner: Box, outer: Box): number {
  const area = areaOf(inner);
  return area > 0 ? intersection(inner, outer) / area : 0;
}

/** Shared area over covered area, 0..1; 0 when both boxes are empty. */
export function intersectionOverUnion(a: Box, b: Box): number {
  const shared = intersection(a, b);
  const union = areaOf(a) + areaOf(b) - shared;
  return union > 0 ? shared / union : 0;
}

/** The smallest box that holds every value above 0; undefined when there is none. */
export function boundsOf({ width, height, data }: Plane): Box | undefined {
  let [left, top, right, bottom] = [width, height, -1, -1];
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      if (data[at]! <= 0) continue;
      if (x < left) left = x;
      if (x > right) right = x;
      if (y < top) top = y;
      bottom = y;
    }
  }
  return right < 0 ? undefined : { x: left, y: top, width: right - left + 1, height: bottom - top + 1 };
}

/** The smallest box that holds both. */
export function boxAround(a: Box, b: Box): Box {
  const [x, y] = [Math.min(a.x, b.x), Math.min(a.y, b.y)];
  const [right, bottom] = [Math.max(a.x + a.width, b.x + b.width), Math.max(a.y + a.height, b.y + b.height)];
  return { x, y, width: right - x, height: bottom - y };
}

function intersection(a: Box, b: Box): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return Math.max(0, width) * Math.max(0, height);
}

/**
 * Keeps the best candidate of every heap of boxes that overlap by more than `iou`; best first, equal scores in the order given.
 * Quadratic in the number kept.
 */
export function nonMaximumSuppression<Candidate extends { readonly box: Box; readonly score: number }>(
  candidates: readonly Candidate[],
  iou: number,
): readonly Candidate[] {
  const kept: Candidate[] = [];
  for (const candidate of candidates.toSorted((a, b) => b.score - a.score)) {
    if (kept.every(({ box }) => intersectionOverUnion(box, candidate.box) <= iou)) kept.push(candidate);
  }
  return kept;
}
