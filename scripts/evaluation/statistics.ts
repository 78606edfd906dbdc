import { createRandom } from '#image/random.ts';

export type Interval = { readonly low: number; readonly high: number };

/** Of the finite values; NaN without any. */
export function mean(values: readonly number[]): number {
  const finite = values.filter(Number.isFinite);
  return finite.length === 0 ? Number.NaN : finite.reduce((total, value) => total + value, 0) / finite.length;
}

/** Of the finite values, linear between the two nearest, as NumPy's default; NaN without any. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values.filter(Number.isFinite)).sort();
  const position = share * (sorted.length - 1);
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? Number.NaN;
  return below + (above - below) * (position % 1);
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

const repeats = 2000;
const seed = 20;

/**
 * 95 % interval of the mean: the 2.5th and 97.5th percentile of the means of 2,000 samples drawn with replacement (Efron's percentile
 * bootstrap). The same values give the same interval. Of the finite values; both ends NaN without any. 10 ms for 500 values.
 */
export function bootstrapInterval(values: readonly number[]): Interval {
  const finite = Float64Array.from(values.filter(Number.isFinite));
  const random = createRandom(seed);
  const means = Array.from({ length: repeats }, () => {
    let sum = 0;
    for (let draw = 0; draw < finite.length; draw++) sum += finite[random() % finite.length] ?? Number.NaN;
    return sum / finite.length;
  });
  return { low: quantile(means, 0.025), high: quantile(means, 0.975) };
}
