import fc from 'fast-check';
import { expect, test } from 'vitest';
import { histogram } from '../../scripts/report/histogram.ts';

test('nothing measured is no histogram', () => {
  expect(histogram([])).toBeUndefined();
  expect(histogram([Number.POSITIVE_INFINITY])).toBeUndefined();
});

test('values fall between round steps', () => {
  const counted = histogram([0, 1, 1, 2, 6]);
  expect(counted).toMatchObject({ from: 0, to: 7, step: 1, total: 5, median: 1, openBelow: false, openAbove: false });
  expect(counted?.counts).toEqual([1, 2, 1, 0, 0, 0, 1]);
});

test('equal values are one bar', () => {
  expect(histogram([30, 30, 30])?.counts).toEqual([3]);
  expect(histogram([0])?.counts).toEqual([1]);
});

test('values that hardly differ at all are counted, too', () => {
  expect(histogram([-2e-323, 0])?.counts).toEqual([1, 1]);
  expect(histogram([2e-323])?.counts).toEqual([1]);
});

test('one odd value does not flatten the picture, and is not lost', () => {
  const counted = histogram([...Array.from({ length: 999 }, (_, index) => 100 + (index % 50)), 1e6]);
  expect(counted?.to).toBeLessThan(200);
  expect(counted?.openAbove).toBe(true);
  expect(counted?.counts.reduce((total, count) => total + count, 0)).toBe(1000);
});

test('every finite value is counted once, in a bounded number of bars', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: -1e9, max: 1e9, noNaN: true }), { minLength: 1 }), (values) => {
      const counted = histogram(values)!;
      expect(counted.counts.reduce((total, count) => total + count, 0)).toBe(values.length);
      expect(counted.counts.length).toBeLessThanOrEqual(30);
    }),
  );
});
