import { expect, test } from 'vitest';
import { catalogue, readRecords } from '#pipeline/catalogue.ts';
import { parseManifest } from '#pipeline/manifest.ts';
import type { Store } from '#pipeline/ports.ts';
import { rebuildManifest } from '#pipeline/rebuild-manifest.ts';
import { removeFromManifest } from '#pipeline/remove-from-manifest.ts';
import { bytesOf, createMemoryStore, createTestClock, recordOf } from './factories.ts';

const clock = createTestClock();
const photo = (name: string, version = '1') =>
  recordOf({ jobId: `${name} ${version}`, photo: { ...recordOf().photo, key: `photos/${name}.png` } });
const isAnna = (key: string) => key === 'photos/anna.png';

const manifestOf = async (results: Store) =>
  parseManifest((await results.get('manifest/manifest.json'))?.bytes ?? bytesOf(''));
const keysOf = async (results: Store) =>
  (await readRecords(await manifestOf(results), results)).map((record) => record.photo.key).sort();

/** Objects look as if they had just been written. */
const fresh = (results: ReturnType<typeof createMemoryStore>): typeof results => ({
  ...results,
  async *list(prefix) {
    for await (const object of results.list(prefix)) yield { ...object, lastModified: clock.now() };
  },
});

test('every version of a photo leaves the manifest, and at once every segment that held one', async () => {
  const results = fresh(createMemoryStore());
  await catalogue([photo('anna', '1'), photo('bert')], { results, clock });
  await catalogue([photo('anna', '2')], { results, clock });
  const { segments: before } = await catalogue([photo('carl')], { results, clock });

  const removed = await removeFromManifest(isAnna, { results, clock });

  expect(removed).toEqual({
    lines: ['photos/anna.png', 'photos/anna.png'],
    segments: before
      .slice(0, 2)
      .map(({ key }) => key)
      .sort(),
  });
  expect(await keysOf(results)).toEqual(['photos/bert.png', 'photos/carl.png']);
  const manifest = await manifestOf(results);
  expect(manifest.counts.bare).toBe(2);
  expect(results.keys()).toEqual([...manifest.segments.map(({ key }) => key), 'manifest/manifest.json'].sort());
});

test('segments that nobody names any more, of folding and rebuilding, go too when they hold a line', async () => {
  const held = createMemoryStore({ 'metrics/bert.png.json': JSON.stringify(photo('bert')) });
  const results = fresh(held);
  await catalogue([photo('anna')], { results, clock });
  await catalogue([photo('bert')], { results, clock });
  await rebuildManifest({ results, clock });
  expect(held.keys()).toHaveLength(4); // Anna's segment was left: it is young.
  expect(await removeFromManifest(isAnna, { results, clock })).toMatchObject({
    lines: [],
    segments: [expect.any(String)],
  });
  expect(held.keys()).toHaveLength(3);
  expect(await removeFromManifest(isAnna, { results, clock })).toEqual({ lines: [], segments: [] });
});

test('what is catalogued meanwhile stays, and of the photo goes', async () => {
  const held = createMemoryStore();
  await catalogue([photo('anna')], { results: held, clock });
  let moves = 0;
  const busy: Store = {
    ...held,
    async put(key, bytes, options) {
      if (key === 'manifest/manifest.json' && moves++ === 0)
        await catalogue([photo('anna', '2'), photo('bert')], { results: held, clock });
      return held.put(key, bytes, options);
    },
  };
  expect(await removeFromManifest(isAnna, { results: busy, clock })).toMatchObject({
    lines: ['photos/anna.png', 'photos/anna.png'],
  });
  expect(await keysOf(held)).toEqual(['photos/bert.png']);
});

test('the last photo leaves an empty manifest; without a manifest there is nothing to do', async () => {
  const results = createMemoryStore();
  expect(await removeFromManifest(isAnna, { results, clock })).toEqual({ lines: [], segments: [] });
  await catalogue([photo('anna')], { results, clock });
  await removeFromManifest(isAnna, { results, clock });
  expect(results.keys()).toEqual(['manifest/manifest.json']);
  expect(await manifestOf(results)).toMatchObject({ segments: [], aggregates: { photos: 0 } });
});

test('a damaged segment stops it, and the sentence says what mends it', async () => {
  const results = createMemoryStore();
  const { segments } = await catalogue([photo('anna')], { results, clock });
  await results.put(segments[0]?.key ?? '', bytesOf('rot'));
  await expect(removeFromManifest(isAnna, { results, clock })).rejects.toThrow('`manifest rebuild`');
});
