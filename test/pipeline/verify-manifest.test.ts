import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { catalogue } from '#pipeline/catalogue.ts';
import type { Manifest } from '#pipeline/manifest.ts';
import { hashOf } from '#pipeline/manifest-files.ts';
import type { MetricsRecord } from '#pipeline/metrics-record.ts';
import { metricsKey } from '#pipeline/photo.ts';
import type { Store } from '#pipeline/ports.ts';
import { rebuildManifest } from '#pipeline/rebuild-manifest.ts';
import { type Finding, verifyManifest } from '#pipeline/verify-manifest.ts';
import { bytesOf, createMemoryStore, createTestClock, recordOf } from './factories.ts';

const clock = createTestClock('2026-11-05T12:00:00.000Z');

const photo = (name: string, changes: Partial<MetricsRecord> = {}): MetricsRecord =>
  recordOf({ jobId: name, photo: { ...recordOf().photo, key: `photos/${name}` }, ...changes });

const records = [photo('a.png'), photo('b.png', { status: 'no-face' }), photo('c.png')];

/** Three photos, each with its record, in a manifest of two segments. */
async function wholeResults() {
  const results = createMemoryStore(
    Object.fromEntries(records.map((record) => [metricsKey(record.photo.key), JSON.stringify(record, null, 2)])),
  );
  await catalogue(records.slice(0, 2), { results, clock });
  const manifest = await catalogue(records.slice(2), { results, clock });
  const [first = { key: '', sha256: '', records: 0 }] = manifest.segments;
  return { results, manifest, first };
}

async function verified(results: Store) {
  const findings: Finding[] = [];
  const verification = await verifyManifest({ results, clock }, { onFinding: (finding) => findings.push(finding) });
  expect(verification.findings).toBe(findings.length);
  return { verification, faults: findings.map(({ fault, key }) => `${fault} ${key}`).sort(), findings };
}

const writeManifest = (results: Store, manifest: Manifest) =>
  results.put('manifest/manifest.json', bytesOf(JSON.stringify(manifest)));

test('a manifest that says what the records say has no finding', async () => {
  const { results } = await wholeResults();
  const { verification } = await verified(results);
  expect(verification).toEqual({ findings: 0, segments: 2, rows: 3, photos: 3, waiting: 0, complete: true });
});

test('an older record of a photo beside its newest is none either', async () => {
  const { results } = await wholeResults();
  const again = photo('a.png', { jobId: 'again', status: 'failed', createdAt: '2026-11-02T00:00:00.000Z' });
  await catalogue([again], { results, clock });
  await results.put('metrics/a.png.json', bytesOf(JSON.stringify(again)));
  expect((await verified(results)).verification).toMatchObject({ findings: 0, rows: 4, photos: 3 });
});

test('no manifest, or one that cannot be read', async () => {
  const { results } = await wholeResults();
  await results.put('manifest/manifest.json', bytesOf('{}'));
  expect((await verified(results)).faults).toEqual(['unreadable-manifest manifest/manifest.json']);
  await results.delete('manifest/manifest.json');
  expect((await verified(results)).faults).toEqual(['no-manifest manifest/manifest.json']);
});

test('a segment that is gone, altered or no segment', async () => {
  const { results, manifest, first } = await wholeResults();
  await results.put(first.key, bytesOf('rot'));
  expect(await verified(results)).toMatchObject({
    faults: [`altered-segment ${first.key}`],
    verification: { complete: false },
  });
  await writeManifest(results, {
    ...manifest,
    segments: [{ ...first, sha256: hashOf(bytesOf('rot')) }, ...manifest.segments.slice(1)],
  });
  expect((await verified(results)).faults).toEqual([`unreadable-segment ${first.key}`]);
  await results.delete(first.key);
  expect((await verified(results)).faults).toEqual([`missing-segment ${first.key}`]);
});

test('a segment with another number of records than promised', async () => {
  const { results, manifest, first } = await wholeResults();
  const rest = manifest.segments.slice(1);
  await writeManifest(results, { ...manifest, segments: [{ ...first, records: 7 }, ...rest] });
  expect((await verified(results)).faults).toEqual([`segment-count ${first.key}`]);
});

test('counts and aggregates that are not the sums of the segments', async () => {
  const { results, manifest } = await wholeResults();
  await writeManifest(results, {
    ...manifest,
    counts: { ...manifest.counts, bare: 9 },
    aggregates: { ...manifest.aggregates, meanTotalMs: 12.001, meanPsnr: 30 },
  });
  expect((await verified(results)).findings.map(({ message }) => message)).toEqual([
    'counts.bare is 9, but its segments add up to 2.',
    'aggregates.meanPsnr is 30, but its segments add up to null.',
    'aggregates.meanTotalMs is 12.001, but its segments add up to 12.',
  ]);
});

test('records that the manifest lacks, has otherwise or has too many', async () => {
  const { results } = await wholeResults();
  await results.put('metrics/new.png.json', bytesOf(JSON.stringify(photo('new.png'))));
  await results.put('metrics/a.png.json', bytesOf(JSON.stringify({ ...records[0], status: 'failed' })));
  await results.put(
    'metrics/b.png.json',
    bytesOf(JSON.stringify({ ...records[1], createdAt: '2026-11-03T00:00:00.000Z' })),
  );
  await results.delete('metrics/c.png.json');
  expect((await verified(results)).faults).toEqual([
    'outdated-row metrics/a.png.json',
    'outdated-row metrics/b.png.json',
    'row-without-record metrics/c.png.json',
    'uncatalogued-record metrics/new.png.json',
  ]);
});

test('files under metrics/ that are no records, or lie in the place of another', async () => {
  const { results } = await wholeResults();
  await results.put('metrics/x.png.json', bytesOf('rot'));
  await results.put('metrics/y.png.json', bytesOf(JSON.stringify(records[0])));
  expect((await verified(results)).faults).toEqual([
    'misplaced-record metrics/y.png.json',
    'unreadable-record metrics/x.png.json',
  ]);
});

test('a record of the last minutes that is not in the manifest yet is no finding', async () => {
  const { results } = await wholeResults();
  const recent = photo('new.png', { createdAt: '2026-11-05T11:58:00.000Z' });
  await results.put('metrics/new.png.json', bytesOf(JSON.stringify(recent)));
  expect((await verified(results)).verification).toMatchObject({ findings: 0, waiting: 1 });
});

test('a record that comes while the others are read is no finding', async () => {
  const { results } = await wholeResults();
  const recent = photo('new.png');
  const busy: Store = {
    ...results,
    async get(key) {
      const first = key === 'manifest/manifest.json' && !(await results.head('metrics/new.png.json'));
      if (first) {
        await results.put('metrics/new.png.json', bytesOf(JSON.stringify(recent)));
        await catalogue([recent], { results, clock });
      }
      return results.get(key);
    },
  };
  expect((await verified(busy)).verification).toMatchObject({ findings: 0, photos: 4 });
});

test('rebuilding mends all of it', async () => {
  const { results, first } = await wholeResults();
  await results.put(first.key, bytesOf('rot'));
  await results.delete('metrics/c.png.json');
  await rebuildManifest({ results, clock });
  expect((await verified(results)).verification).toMatchObject({ findings: 0, photos: 2 });
});

test('a segment may end without a newline and hold empty lines', async () => {
  const { results, manifest } = await wholeResults();
  const bytes = gzipSync(records.map((record) => JSON.stringify(record)).join('\n\n'));
  await results.put('manifest/dt=2026-11-05/hr=12/one.ndjson.gz', bytes);
  const segment = { key: 'manifest/dt=2026-11-05/hr=12/one.ndjson.gz', sha256: hashOf(bytes), records: 3 };
  await writeManifest(results, { ...manifest, segments: [segment] });
  expect((await verified(results)).verification).toMatchObject({ findings: 0, rows: 3 });
});
