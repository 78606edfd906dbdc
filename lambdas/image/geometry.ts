/** In pixels; an integer coordinate is the centre of a pixel, as in OpenCV's warpAffine. */
export type Point = { readonly x: number; readonly y: number };

/** Rotation, uniform scale and shift: (x, y) -> (a x - b y + tx, b x + a y + ty). */
export type Similarity = { readonly a: number; readonly b: number; readonly tx: number; readonly ty: number };
