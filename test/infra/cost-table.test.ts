import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import measured from '../../infra/measured.json' with { type: 'json' };
import { bill, costTable, freePhotos, total } from '../../scripts/cost-table.ts';

const photo = { checkMs: 950, unmaskMs: 820, catalogueMs: 0, startMs: 1000 };

test('a second of check on one x86 core is 1.73 GB-seconds', () => {
  const [check] = bill(photo, 'x86_64');
  expect(check?.usdPerThousand).toBeCloseTo(1000 * (1769 / 1024) * 0.0000166667, 6);
});

test('arm64 takes a fifth less for compute and the same for requests', () => {
  const x86 = bill(photo, 'x86_64');
  const arm = bill(photo, 'arm64');
  expect((arm[0]?.usdPerThousand ?? 0) / (x86[0]?.usdPerThousand ?? 0)).toBeCloseTo(0.8, 3);
  expect(arm.find(({ what }) => what === 'S3, writes')).toEqual(x86.find(({ what }) => what === 'S3, writes'));
});

test('three writes of a photo are half a cent for each third of a thousand', () => {
  // And two more for every 50 records, for the manifest.
  expect(bill(photo, 'x86_64').find(({ what }) => what === 'S3, writes')?.usdPerThousand).toBeCloseTo(0.0152, 6);
});

test('the free tier holds so many photos', () => {
  const twoSecondsOfOneCore = { checkMs: 950, unmaskMs: 820, catalogueMs: -20, startMs: 0 };
  expect(freePhotos(twoSecondsOfOneCore)).toBe(Math.floor(400_000 / ((2 * 1769) / 1024)));
});

test('the bill in infra/README.md is the one of the measured figures', () => {
  const readme = readFileSync('infra/README.md', 'utf8');
  expect(readme).toContain(costTable(measured));
  expect(readme).toContain(`${Math.floor(freePhotos(measured) / 1000)},000 photos a month`);
  expect(total(bill(measured, 'arm64'))).toBeGreaterThan(0.015);
});
