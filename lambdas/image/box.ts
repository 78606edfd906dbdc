/** Axis-aligned, in pixels; x and y are the top-left corner. */
export type Box = { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
