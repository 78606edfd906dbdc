import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import measured from '../../infra/measured.json' with { type: 'json' };
import { costTable } from '../../scripts/cost-table.ts';
import { bill, freePhotos, total } from '../../scripts/stack/photo-bill.ts';

const x86_64 = { architecture: 'x86_64' } as const;
const arm64 = { architecture: 'arm64' } as const;

// The functions wait 30 and 20 ms for S3 and SQS besides.
const photo = { checkMs: 970, unmaskMs: 980, catalogueMs: 0, startMs: 1000 };

test('a second of check on one x86 core is 1.73 GB-seconds', () => {
  const [check] = bill(photo, x86_64);
  expect(check?.usdPerThousand).toBeCloseTo(1000 * (1769 / 1024) * 0.0000166667, 6);
});

test('arm64 takes a fifth less for compute and the same for requests', () => {
  const x86 = bill(photo, x86_64);
  const arm = bill(photo, arm64);
  expect((arm[0]?.usdPerThousand ?? 0) / (x86[0]?.usdPerThousand ?? 0)).toBeCloseTo(0.8, 3);
  expect(arm.find(({ what }) => what === 'S3, writes')).toEqual(x86.find(({ what }) => what === 'S3, writes'));
});

test('work costs the same on half the memory, which has half a core', () => {
  const catalogue = (ms: number) => bill({ ...photo, catalogueMs: ms }, x86_64)[2]?.usdPerThousand ?? 0;
  expect(catalogue(1000) - catalogue(0)).toBeCloseTo(1000 * (1769 / 1024) * 0.0000166667, 6);
});

test('of ten photos a second Lambda traces one and five of a hundred others', () => {
  // Check: 0.145 of its invocations; unmask: 0.43 of a quarter as many; catalogue: every one of a fiftieth.
  const traces = bill(photo, x86_64).find(({ what }) => what === 'Traces')?.usdPerThousand;
  expect(traces).toBeCloseTo(1000 * (0.145 + 0.43 / 4 + 1 / 50) * 0.000005, 9);
});

test('three writes of a photo are half a cent for each third of a thousand', () => {
  // And two more for every 50 records, for the manifest.
  expect(bill(photo, x86_64).find(({ what }) => what === 'S3, writes')?.usdPerThousand).toBeCloseTo(0.0152, 6);
});

test('the free tier holds so many photos', () => {
  // Two seconds of one core and a fiftieth of one for starts; and of catalogue, which has 1,024 MB, one photo's share of 140 ms of waiting
  // for 50 photos.
  expect(freePhotos(photo, x86_64)).toBe(Math.floor(400_000 / ((2.02 * 1769) / 1024 + 0.0028)));
});

test('the bill in infra/README.md is the one of the measured figures', () => {
  const readme = readFileSync('infra/README.md', 'utf8');
  expect(readme).toContain(costTable(measured));
  const thousands = (1000 * Math.floor(freePhotos(measured, x86_64) / 1000)).toLocaleString('en-US');
  expect(readme.replaceAll('\n', ' ')).toContain(`${thousands} photos a month`);
  expect(total(bill(measured, x86_64))).toBeLessThan(0.03);
  expect(total(bill(measured, arm64))).toBeGreaterThan(0.015);
});
