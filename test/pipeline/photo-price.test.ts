import { expect, test } from 'vitest';
import { computeUsd, photoPrice } from '#pipeline/photo-price.ts';

test('a second of one vCPU costs what the price list says', () => {
  expect(computeUsd(1000, { memoryMb: 1769, architecture: 'x86_64' })).toBeCloseTo(1.727539 * 0.0000166667, 10);
  expect(computeUsd(1000, { memoryMb: 1024, architecture: 'arm64' })).toBeCloseTo(0.0000133334, 12);
});

test('a photo pays for its requests too', () => {
  // 3 writes, 7 reads, 6 queue requests, 3 invocations
  expect(photoPrice(0, { memoryMb: 1769, architecture: 'x86_64' })).toBeCloseTo(
    3 * 0.000005 + 7 * 0.0000004 + 6 * 0.0000004 + 3 * 0.0000002,
    12,
  );
});
