/** How often values fall between equally wide steps; bin i holds `from + i * step` up to, not including, `from + (i + 1) * step`. */
export type Histogram = {
  readonly from: number;
  readonly to: number;
  readonly step: number;
  readonly counts: readonly number[];
  readonly total: number;
  readonly p5: number;
  readonly median: number;
  readonly p95: number;
  /** The first (last) bin also holds everything below (above) it: one odd value must not flatten the picture. */
  readonly openBelow: boolean;
  readonly openAbove: boolean;
};

/** At most this many bars, give or take the two at the ends; fewer for few values, so that a bar is more than one of them. */
const mostBins = 24;
const fewestBins = 6;

/** From here on one in a hundred at either end may lie outside the picture. */
const manyValues = 100;

/** Undefined when there is nothing to count. Steps are round numbers (1, 2 or 5 times a power of ten). */
export function histogram(values: readonly number[]): Histogram | undefined {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  const [smallest] = sorted;
  const largest = sorted.at(-1);
  if (smallest === undefined || largest === undefined) return undefined;

  const trimmed = sorted.length < manyValues ? 0 : 0.01;
  const low = quantile(sorted, trimmed);
  const high = quantile(sorted, 1 - trimmed);
  const bins = Math.min(mostBins, Math.max(fewestBins, Math.ceil(2 * Math.sqrt(sorted.length))));
  const step = roundStep((high - low) / bins || Math.abs(low) / 100 || 1);
  const first = Math.floor(low / step);
  const last = Math.max(first, Math.floor(high / step));
  const counts = new Array<number>(last - first + 1).fill(0);
  for (const value of sorted) {
    const bin = Math.min(last, Math.max(first, Math.floor(value / step))) - first;
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return {
    from: first * step,
    to: (last + 1) * step,
    step,
    counts,
    total: sorted.length,
    p5: quantile(sorted, 0.05),
    median: quantile(sorted, 0.5),
    p95: quantile(sorted, 0.95),
    openBelow: smallest < first * step,
    openAbove: largest >= (last + 1) * step,
  };
}

/** Linear between the two nearest, as NumPy's default. */
function quantile(sorted: readonly number[], share: number): number {
  const position = share * (sorted.length - 1);
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? Number.NaN;
  return below + (above - below) * (position % 1);
}

/** Smaller powers of ten are not exact any more, and then zero. */
const leastPower = -300;

function roundStep(width: number): number {
  const power = 10 ** Math.max(leastPower, Math.floor(Math.log10(width)));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= width * 0.999) ?? 10;
  return factor * power;
}
