import { expect, test } from 'vitest';
import { catalogue, readRecords } from '#pipeline/catalogue.ts';
import { parseManifest } from '#pipeline/manifest.ts';
import type { Store } from '#pipeline/ports.ts';
import { rebuildManifest } from '#pipeline/rebuild-manifest.ts';
import { bytesOf, createMemoryStore, createTestClock, recordOf } from './factories.ts';

const photo = (key: string) => recordOf({ jobId: key, photo: { ...recordOf().photo, key } });

/** Does something just before the pointer moves for the first time. */
function beforePointerMoves(results: Store, doing: () => Promise<unknown>): Store {
  let done = false;
  return {
    ...results,
    async put(key, bytes, options) {
      if (key === 'manifest/manifest.json' && !done) {
        done = true;
        await doing();
      }
      return results.put(key, bytes, options);
    },
  };
}

test('a photo whose record was deleted leaves the manifest, and its segment the store', async () => {
  const clock = createTestClock();
  const results = createMemoryStore({ 'metrics/kept.png.json': JSON.stringify(photo('photos/kept.png')) });
  await catalogue([photo('photos/kept.png'), photo('photos/deleted.png')], { results, clock });

  const manifest = await rebuildManifest({ results, clock });

  expect(manifest.aggregates.photos).toBe(1);
  expect(results.keys()).toEqual([manifest.segments[0]?.key, 'manifest/manifest.json', 'metrics/kept.png.json']);
});

test('a rebuild that is stopped leaves the manifest that was there', async () => {
  const clock = createTestClock();
  const results = createMemoryStore({ 'metrics/a.png.json': JSON.stringify(photo('photos/a.png')) });
  const before = await catalogue([photo('photos/a.png'), photo('photos/b.png')], { results, clock });
  const stopped = beforePointerMoves(results, async () => {
    throw new Error('stopped');
  });
  await expect(rebuildManifest({ results: stopped, clock })).rejects.toThrow('stopped');
  const stored = await results.get('manifest/manifest.json');
  expect(parseManifest(stored?.bytes ?? bytesOf(''))).toEqual(before);
  expect(await readRecords(before, results)).toHaveLength(2);
});

test('a photo that is catalogued meanwhile stays, a deleted one leaves all the same', async () => {
  const clock = createTestClock('2026-11-05T12:00:00.000Z');
  const results = createMemoryStore({ 'metrics/a.png.json': JSON.stringify(photo('photos/a.png')) });
  await catalogue([photo('photos/a.png'), photo('photos/deleted.png')], { results, clock });
  const recent = { ...photo('photos/new.png'), createdAt: '2026-11-05T11:59:58.000Z' };
  const busy = beforePointerMoves(results, () => catalogue([recent], { results, clock }));

  const manifest = await rebuildManifest({ results: busy, clock });

  const keys = (await readRecords(manifest, results)).map((record) => record.photo.key);
  expect(keys).toEqual(['photos/a.png', 'photos/new.png']);
  expect(manifest.counts.bare).toBe(2);
});

test('a damaged pointer is replaced', async () => {
  const clock = createTestClock();
  const results = createMemoryStore({
    'metrics/a.png.json': JSON.stringify(photo('photos/a.png')),
    'manifest/manifest.json': '{"schemaVersion": 1,',
  });
  expect((await rebuildManifest({ results, clock })).counts.bare).toBe(1);
});

test('a file that is no record is named, and the manifest left as it is', async () => {
  const clock = createTestClock();
  const results = createMemoryStore({ 'metrics/a.png.json': 'rot' });
  await expect(rebuildManifest({ results, clock })).rejects.toThrow('metrics/a.png.json');
  expect(results.keys()).toEqual(['metrics/a.png.json']);
});

test('whoever waits is told how far it is', async () => {
  const names = Array.from({ length: 60 }, (_, index) => `${index}.png`);
  const results = createMemoryStore(
    Object.fromEntries(names.map((name) => [`metrics/${name}.json`, JSON.stringify(photo(`photos/${name}`))])),
  );
  const told: number[] = [];
  await rebuildManifest({ results, clock: createTestClock() }, { onRead: (records) => told.push(records) });
  expect(told).toEqual(names.map((_, index) => index + 1));
});
