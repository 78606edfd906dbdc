import { expect, test } from 'vitest';
import { compareRecords } from '../../scripts/report/comparison.ts';
import { madeUpFace, madeUpQuality, madeUpRecord } from './made-up-results.ts';

const face = (regionPsnr: number, changes = {}) =>
  madeUpFace({ quality: madeUpQuality(regionPsnr, 0.8), seam: 1, ...changes });

test('photos are in both runs, in one of them, or replaced in between', () => {
  const a = ['both.jpg', 'a.jpg', 'new.jpg'].map((path) => madeUpRecord({ path }));
  const b = [
    madeUpRecord({ path: 'both.jpg' }),
    madeUpRecord({ path: 'b.jpg' }),
    madeUpRecord({ path: 'new.jpg', etag: 'another photo' }),
  ];
  const { pairs, onlyA, onlyB, replaced } = compareRecords(a, b);
  expect(pairs.map(({ key }) => key)).toEqual(['photos/both.jpg']);
  expect({ onlyA, onlyB, replaced }).toEqual({
    onlyA: ['photos/a.jpg'],
    onlyB: ['photos/b.jpg'],
    replaced: ['photos/new.jpg'],
  });
});

test('the same photo in a folder and in a bucket is the same photo', () => {
  const local = madeUpRecord({ path: 'a.jpg', etag: 'a'.repeat(64) });
  const cloud = madeUpRecord({ path: 'a.jpg', etag: '5d41402abc4b2a76b9719d911017c592' });
  expect(compareRecords([local], [cloud]).pairs).toHaveLength(1);
  const replaced = { ...cloud, photo: { ...cloud.photo, bytes: 1 } };
  expect(compareRecords([local], [replaced]).replaced).toHaveLength(1);
});

test('of several records of a photo the newest counts', () => {
  const older = madeUpRecord({ path: 'a.jpg', status: 'failed', createdAt: '2026-11-01T00:00:00.000Z' });
  const newer = madeUpRecord({ path: 'a.jpg', createdAt: '2026-11-02T00:00:00.000Z' });
  expect(compareRecords([newer, older], [newer]).statusChanges).toEqual([]);
});

test('status changes are counted by what became what, the commonest first', () => {
  const records = (statuses: readonly ('unmasked' | 'bare' | 'no-face')[]) =>
    statuses.map((status, index) => madeUpRecord({ path: `${index}.jpg`, status }));
  const { statusChanges } = compareRecords(
    records(['no-face', 'unmasked', 'unmasked', 'bare']),
    records(['bare', 'bare', 'bare', 'bare']),
  );
  expect(statusChanges).toEqual([
    { from: 'unmasked', to: 'bare', keys: ['photos/1.jpg', 'photos/2.jpg'] },
    { from: 'no-face', to: 'bare', keys: ['photos/0.jpg'] },
  ]);
});

test('quality is compared face by face, whichever order the faces come in', () => {
  const left = { box: { x: 0, y: 0, width: 100, height: 100 } };
  const right = { box: { x: 200, y: 0, width: 100, height: 100 } };
  const near = { box: { x: 205, y: 3, width: 100, height: 100 } };
  const { qualities, pairs } = compareRecords(
    [madeUpRecord({ path: 'two.jpg', faces: [face(20, left), face(30, right)] })],
    [madeUpRecord({ path: 'two.jpg', faces: [face(29, near), face(22, left)] })],
  );
  expect(pairs[0]?.faces).toEqual([
    { a: 0, b: 1 },
    { a: 1, b: 0 },
  ]);
  expect(qualities.find(({ measure }) => measure === 'regionPsnr')).toMatchObject({
    ...{ n: 2, meanA: 25, meanB: 25.5, mean: 0.5, better: 1, worse: 1, of: 'face' },
  });
  // Two faces, one photo.
  expect(qualities.find(({ measure }) => measure === 'psnr')).toMatchObject({ n: 1, of: 'photo' });
});

test('only what both runs measured is compared', () => {
  const { qualities } = compareRecords(
    [madeUpRecord({ path: 'a.jpg', faces: [face(20)] }), madeUpRecord({ path: 'b.jpg', faces: [face(40)] })],
    [madeUpRecord({ path: 'a.jpg', faces: [face(21)] }), madeUpRecord({ path: 'b.jpg', faces: [madeUpFace()] })],
  );
  expect(qualities.find(({ measure }) => measure === 'regionPsnr')).toMatchObject({ n: 1, mean: 1, low: 1, high: 1 });
});

test('a less visible seam is better, an equal one neither', () => {
  const seams = (...values: number[]) =>
    values.map((seam, index) => madeUpRecord({ path: `${index}.jpg`, faces: [madeUpFace({ seam })] }));
  const { qualities } = compareRecords(seams(1.2, 1.1, 1), seams(1.1, 1.1, 1.3));
  expect(qualities).toMatchObject([{ measure: 'seam', better: 1, worse: 1, n: 3 }]);
});

test('times are those of photos that both runs timed', () => {
  const timed = (path: string, timings: Record<string, number>) => madeUpRecord({ path, timings });
  const { timings } = compareRecords(
    [timed('a.jpg', { decodeMs: 10, totalMs: 100 }), timed('b.jpg', {})],
    [timed('a.jpg', { decodeMs: 20, encodeMs: 4, totalMs: 50 }), timed('b.jpg', { totalMs: 7 })],
  );
  expect(timings).toEqual([
    { stage: 'decodeMs', n: 1, meanA: 10, meanB: 20 },
    { stage: 'totalMs', n: 1, meanA: 100, meanB: 50 },
  ]);
});

test('two empty runs compare to nothing', () => {
  expect(compareRecords([], [])).toMatchObject({
    pairs: [],
    statusChanges: [],
    qualities: [],
    timings: [],
    identical: 0,
  });
});
