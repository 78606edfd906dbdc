import { setFlagsFromString } from 'node:v8';

/** Of the memory in use after a collection, what may be added before the next: V8's own figure for a heap that grows fast. */
const growthPercent = 300;

/**
 * A photo of one megapixel brings some 20 MB of pixel buffers, which V8 counts against a heap of 13 MB: it would go through all of that
 * heap more than once a photo, a seventh of the time. So the heap may grow to 50 MB between two collections; a run then has one every
 * four photos, and some 20 MB more at its peak.
 */
export function collectGarbageLessOften(): void {
  setFlagsFromString(`--heap-growing-percent=${growthPercent}`);
}
