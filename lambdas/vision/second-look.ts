import { type Box, nonMaximumSuppression } from '#image/box.ts';
import { alignFace, cropSize, type Point } from '#image/geometry.ts';
import { letterbox } from '#image/letterbox.ts';
import { createRaster, type Raster } from '#image/raster.ts';
import { warpRaster } from '#image/warp.ts';
import { type Face, rollDegrees } from '#pipeline/face.ts';
import type { Detector } from '#pipeline/ports.ts';

/** Sides of the network's input, of a quarter of it, and of the photo in each quarter: a face that fills the photo then looks like one across a table. */
const canvasSide = 640;
const quarterSide = canvasSide / 2;
const photoSide = 256;

/** Of two looks at one face the surer one is kept. */
const oneFaceIou = 0.4;

/**
 * Faces that the first look does not see: too close, for one that fills the frame is larger than what the network has learned to see as one,
 * or lying, or upside down, for it has seen few of these. The photo is laid four times on a grey canvas, at two fifths of its usual size,
 * each time turned by a quarter more. One network run. Sees faces from a tenth of the photo's longer side.
 */
export async function lookAgain(raster: Raster, detector: Detector): Promise<readonly Face[]> {
  const { raster: small, scale } = letterbox(raster, photoSide);
  const canvas = createRaster(canvasSide, canvasSide, small.channels);
  canvas.data.fill(128);
  for (let turns = 0; turns < 4; turns++) layTurned(small, turns, canvas);
  const faces = (await detector.localise(canvas))
    .map((face) => inPhoto(face, scale, raster))
    .filter(({ box }) => box.width > 0 && box.height > 0);
  return nonMaximumSuppression(faces, oneFaceIou);
}

/** From this roll on a face lies. */
const lyingDegrees = 60;

/** Share of the photo's longer side from which on a face is large. Smaller lying ones are judged well as they are, and may be many. */
const largeShare = 0.25;

/**
 * The face with its verdict, mask or none, from its upright crop, if it is large and lies or stands on its head: the network has learned
 * from few such, and takes one in six that fill the frame for bare. One network run for such a face, none for others.
 */
export async function judgeUpright(face: Face, raster: Raster, detector: Detector): Promise<Face> {
  const longer = Math.max(face.box.width, face.box.height);
  if (longer < largeShare * Math.max(raster.width, raster.height) || Math.abs(rollDegrees(face)) < lyingDegrees)
    return face;
  const seen = await detector.localise(warpRaster(raster, alignFace(face), cropSize, cropSize));
  const [upright] = seen.filter(({ box }) => holds(box, cropSize / 2)).toSorted((a, b) => b.score - a.score);
  return upright ? { ...upright, box: face.box, eyes: face.eyes, score: face.score } : face;
}

/** Whether the point (at, at) lies in the box. */
function holds({ x, y, width, height }: Box, at: number): boolean {
  return x <= at && y <= at && x + width >= at && y + height >= at;
}

/** Left and top of the quarter that holds the photo turned so often, in pixels of the canvas. */
const cornerOf = (turns: number): Point => ({ x: (turns % 2) * quarterSide, y: turns < 2 ? 0 : quarterSide });

/** The square, turned clockwise by so many quarters, into its quarter of the canvas. */
function layTurned({ width: side, channels, data }: Raster, turns: number, canvas: Raster): void {
  const corner = cornerOf(turns);
  for (let row = 0; row < side; row++) {
    let to = ((corner.y + row) * canvas.width + corner.x) * channels;
    for (let column = 0; column < side; column++) {
      const { x, y } = turnedBack({ x: column, y: row }, turns, side - 1);
      const from = (y * side + x) * channels;
      for (let c = 0; c < channels; c++, to++) canvas.data[to] = data[from + c]!;
    }
  }
}

/** Where a point of the turned square lies in the square itself; `end` is the last coordinate: the side for edges, one less for pixels. */
function turnedBack({ x, y }: Point, turns: number, end: number): Point {
  switch (turns) {
    case 0:
      return { x, y };
    case 1:
      return { x: y, y: end - x };
    case 2:
      return { x: end - x, y: end - y };
    default:
      return { x: end - y, y: x };
  }
}

/** From the canvas back to the photo; the box stays inside it. */
function inPhoto(face: Face, scale: number, photo: Raster): Face {
  const { box } = face;
  const right = box.x + box.width / 2 >= quarterSide;
  const lower = box.y + box.height / 2 >= quarterSide;
  const turns = (lower ? 2 : 0) + (right ? 1 : 0);
  const corner = cornerOf(turns);
  const first = turnedBack({ x: box.x - corner.x, y: box.y - corner.y }, turns, photoSide);
  const last = turnedBack({ x: box.x + box.width - corner.x, y: box.y + box.height - corner.y }, turns, photoSide);
  const eye = ({ x, y }: Point): Point => {
    const back = turnedBack({ x: x - corner.x, y: y - corner.y }, turns, photoSide - 1);
    return { x: (back.x + 0.5) / scale - 0.5, y: (back.y + 0.5) / scale - 0.5 };
  };
  return { ...face, box: between(first, last, scale, photo), eyes: [eye(face.eyes[0]), eye(face.eyes[1])] };
}

/** The box between two opposite corners, enlarged and cut to the photo. */
function between(first: Point, last: Point, scale: number, { width, height }: Raster): Box {
  const along = (a: number, b: number, side: number): readonly [number, number] => [
    Math.min(Math.max(Math.min(a, b) / scale, 0), side),
    Math.min(Math.max(Math.max(a, b) / scale, 0), side),
  ];
  const [left, right] = along(first.x, last.x, width);
  const [top, bottom] = along(first.y, last.y, height);
  return { x: left, y: top, width: right - left, height: bottom - top };
}
