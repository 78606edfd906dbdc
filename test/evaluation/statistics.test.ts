import { expect, test } from 'vitest';
import { bootstrapInterval, mean, median, quantile } from '../../scripts/evaluation/statistics.ts';

test('infinite values, of identical pictures, are left out', () => {
  expect(mean([1, 3, Number.POSITIVE_INFINITY])).toBe(2);
  expect(median([1, 3, Number.NaN])).toBe(2);
});

test('of nothing there is no mean', () => {
  expect(mean([])).toBeNaN();
  expect(median([])).toBeNaN();
  expect(bootstrapInterval([])).toEqual({ low: Number.NaN, high: Number.NaN });
});

test('quantiles lie linearly between the values, as in NumPy', () => {
  expect(quantile([4, 1, 2, 3], 0.25)).toBeCloseTo(1.75, 12);
  expect(quantile([4, 1, 2, 3], 1)).toBe(4);
});

test('the interval holds the mean, is the same every time, and is as wide as theory says', () => {
  // Evenly spread over 0..1: standard deviation 1 / sqrt(12), so 1.96 of it over 20 to either side.
  const values = Array.from({ length: 400 }, (_, index) => (index + 0.5) / 400);
  const { low, high } = bootstrapInterval(values);
  const half = (1.96 * Math.sqrt(1 / 12)) / 20;
  expect(low).toBeCloseTo(0.5 - half, 2);
  expect(high).toBeCloseTo(0.5 + half, 2);
  expect(bootstrapInterval(values)).toEqual({ low, high });
});
