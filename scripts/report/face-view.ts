import type { Box } from '#image/box.ts';

/** How much of the picture's side the face's longer side takes: the rest is hair, neck and a little room around it. */
const faceShare = 0.66;

/** The square of whole pixels around a face that the gallery shows; moved, and cut only where it must be, to lie inside the photo. */
export function faceView(box: Box, photo: { readonly width: number; readonly height: number }): Box {
  const wanted = Math.round(Math.max(box.width, box.height) / faceShare);
  const side = Math.max(1, Math.min(wanted, photo.width, photo.height));
  return {
    x: within(box.x + box.width / 2 - side / 2, photo.width - side),
    y: within(box.y + box.height / 2 - side / 2, photo.height - side),
    width: side,
    height: side,
  };
}

const within = (start: number, most: number): number => Math.round(Math.min(Math.max(0, start), most));
