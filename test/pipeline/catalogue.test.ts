import fc from 'fast-check';
import { expect, test } from 'vitest';
import { catalogue, readRecords } from '#pipeline/catalogue.ts';
import { parseManifest } from '#pipeline/manifest.ts';
import { rebuildManifest } from '#pipeline/rebuild-manifest.ts';
import { type Status, statuses } from '#pipeline/status.ts';
import { bytesOf, createMemoryStore, createTestClock, recordOf } from './factories.ts';

const clock = createTestClock('2026-11-05T07:08:09.000Z');
const photo = (key: string) => ({ ...recordOf().photo, key: `photos/${key}` });
const numbered = (index: number, status: Status = 'bare') =>
  recordOf({ jobId: String(index).padStart(64, '0'), status, photo: photo(`${index}.png`) });

test('the manifest counts every photo once, by status', async () => {
  const results = createMemoryStore();
  const records = [numbered(1, 'unmasked'), numbered(2, 'bare'), numbered(3, 'rejected'), numbered(4, 'bare')];
  const manifest = await catalogue(records, { results, clock });
  expect(manifest.counts).toEqual({ unmasked: 1, bare: 2, 'no-face': 0, rejected: 1, failed: 0 });
  expect(await readRecords(manifest, results)).toEqual(records);
});

test('a segment lies under its date and hour and is named by its content', async () => {
  const results = createMemoryStore();
  const { segments } = await catalogue([numbered(1)], { results, clock });
  expect(segments[0]?.key).toMatch(/^manifest\/dt=2026-11-05\/hr=07\/[0-9a-f]{16}\.ndjson\.gz$/);
  expect(segments[0]?.sha256.startsWith(segments[0].key.slice(-26, -10))).toBe(true);
});

test('a record that is catalogued again is counted once', async () => {
  const results = createMemoryStore();
  await catalogue([numbered(1), numbered(1)], { results, clock });
  const manifest = await catalogue([numbered(1)], { results, clock });
  expect(manifest.counts.bare).toBe(1);
  expect(manifest.segments).toHaveLength(1);
});

test('the newest record of a key counts, whatever order they are catalogued in', async () => {
  const older = recordOf({ jobId: '1'.repeat(64), status: 'bare', createdAt: '2026-11-01T00:00:00.000Z' });
  const newer = recordOf({ jobId: '2'.repeat(64), status: 'unmasked', createdAt: '2026-11-02T00:00:00.000Z' });
  for (const records of [
    [older, newer],
    [newer, older],
  ]) {
    const results = createMemoryStore();
    for (const record of records) await catalogue([record], { results, clock });
    const { counts } = await catalogue([], { results, clock });
    expect(counts).toMatchObject({ unmasked: 1, bare: 0 });
  }
});

test('writers at the same time lose nothing', async () => {
  const results = createMemoryStore();
  await Promise.all(Array.from({ length: 30 }, (_, index) => catalogue([numbered(index)], { results, clock })));
  const stored = await results.get('manifest/manifest.json');
  expect(parseManifest(stored?.bytes ?? bytesOf('')).counts.bare).toBe(30);
});

test('a writer that others outrun reads each segment once', async () => {
  const results = createMemoryStore();
  for (let index = 0; index < 5; index++) await catalogue([numbered(index)], { results, clock });
  const before = await catalogue([], { results, clock });
  expect(before.segments).toHaveLength(5);
  const got: string[] = [];
  let others = 3;
  const outrun: typeof results = {
    ...results,
    get: async (key) => {
      got.push(key);
      const stored = await results.get(key);
      if (key === 'manifest/manifest.json' && others > 0)
        await catalogue([numbered(100 + others--)], { results, clock });
      return stored;
    },
  };
  const { counts } = await catalogue([numbered(5)], { results: outrun, clock });
  expect(counts.bare).toBe(9);
  for (const { key } of before.segments) expect(got.filter((one) => one === key)).toEqual([key]);
});

test('many segments are folded into one and nothing is lost', async () => {
  const results = createMemoryStore();
  for (let index = 0; index < 40; index++) await catalogue([numbered(index)], { results, clock });
  const manifest = await catalogue([], { results, clock });
  expect(manifest.counts.bare).toBe(40);
  expect(manifest.segments.length).toBeLessThan(10);
});

test('counts add up to the photos for any history', async () => {
  const history = fc.array(fc.record({ key: fc.integer({ min: 0, max: 5 }), status: fc.constantFrom(...statuses) }));
  await fc.assert(
    fc.asyncProperty(history, async (uploads) => {
      const results = createMemoryStore();
      const records = uploads.map(({ key, status }, index) =>
        recordOf({
          jobId: String(index).padStart(64, '0'),
          status,
          photo: photo(`${key}.png`),
          createdAt: new Date(Date.UTC(2026, 10, 1, 0, 0, index)).toISOString(),
        }),
      );
      const { counts, aggregates } = await catalogue(records, { results, clock });
      const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
      expect(total).toBe(new Set(uploads.map(({ key }) => key)).size);
      expect(aggregates.photos).toBe(total);
    }),
    { numRuns: 50 },
  );
});

test('a manifest that was lost is rebuilt from the metrics records', async () => {
  const results = createMemoryStore({
    'metrics/1.png.json': JSON.stringify(numbered(1, 'unmasked')),
    'metrics/2.png.json': JSON.stringify(numbered(2)),
  });
  const manifest = await rebuildManifest({ results, clock });
  expect(manifest.counts).toMatchObject({ unmasked: 1, bare: 1 });
});

test('a damaged segment is an error that says what to do', async () => {
  const results = createMemoryStore();
  const { segments } = await catalogue([numbered(1)], { results, clock });
  await results.put(segments[0]?.key ?? '', bytesOf('rot'));
  await expect(catalogue([numbered(2)], { results, clock })).rejects.toThrow('manifest rebuild');
});

test('means leave out what was not measured', async () => {
  const results = createMemoryStore();
  const face = {
    box: { x: 0, y: 0, width: 10, height: 10 },
    score: 1,
    masked: true,
    maskProbability: 1,
    rollDegrees: 0,
    maskCoverage: 0.4,
    noiseSigma: 1,
    denoised: false,
    quality: { psnr: 30, ssim: 0.9, regionPsnr: 20, regionSsim: 0.7, psnrEq8: 25 },
    seam: 1,
  };
  const measured = recordOf({ jobId: '1'.repeat(64), status: 'unmasked', faces: [face] });
  const { aggregates } = await catalogue([measured, numbered(2)], { results, clock });
  expect(aggregates).toMatchObject({ meanPsnr: 30, meanRegionSsim: 0.7, facesUnmasked: 1 });
  expect((await catalogue([], { results: createMemoryStore(), clock })).aggregates.meanPsnr).toBeNull();
});
