import { createRaster, type Raster } from '#image/raster.ts';
import { letterbox } from '#image/warp.ts';
import type { Face } from '#pipeline/face.ts';
import type { Detector } from '#pipeline/ports.ts';

/** Sides of the network's input and of the photo within it: a face that fills the photo then looks like one across a table. */
const canvasSide = 640;
const photoSide = 256;

/**
 * Faces that are too close for the first look: one that fills the frame is larger than what the network has learned to see as one. The
 * photo is laid into the corner of a grey canvas, at two fifths of its usual size. One network run.
 */
export async function localiseClose(raster: Raster, detector: Detector): Promise<readonly Face[]> {
  const { raster: small, scale } = letterbox(raster, photoSide);
  const canvas = createRaster(canvasSide, canvasSide, small.channels);
  canvas.data.fill(128);
  const line = photoSide * small.channels;
  for (let row = 0; row < photoSide; row++) {
    canvas.data.set(small.data.subarray(row * line, (row + 1) * line), row * canvasSide * small.channels);
  }
  const faces = await detector.localise(canvas);
  return faces.map((face) => enlarged(face, scale, raster)).filter(({ box }) => box.width > 0 && box.height > 0);
}

/** From the canvas back to the photo; the box stays inside it. */
function enlarged(face: Face, scale: number, { width, height }: Raster): Face {
  const x = Math.min(face.box.x / scale, width);
  const y = Math.min(face.box.y / scale, height);
  const right = Math.min((face.box.x + face.box.width) / scale, width);
  const bottom = Math.min((face.box.y + face.box.height) / scale, height);
  const [first, second] = face.eyes.map((eye) => ({ x: (eye.x + 0.5) / scale - 0.5, y: (eye.y + 0.5) / scale - 0.5 }));
  return { ...face, box: { x, y, width: right - x, height: bottom - y }, eyes: [first!, second!] };
}
