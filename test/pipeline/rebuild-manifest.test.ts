import { expect, test } from 'vitest';
import { catalogue, rebuildManifest } from '#pipeline/catalogue.ts';
import { createMemoryStore, createTestClock, recordOf } from './factories.ts';

const photo = (key: string) => recordOf({ jobId: key, photo: { ...recordOf().photo, key } });

test('a photo whose record was deleted leaves the manifest, and its segment the store', async () => {
  const clock = createTestClock();
  const results = createMemoryStore({ 'metrics/kept.png.json': JSON.stringify(photo('photos/kept.png')) });
  await catalogue([photo('photos/kept.png'), photo('photos/deleted.png')], { results, clock });

  const manifest = await rebuildManifest({ results, clock });

  expect(manifest.aggregates.photos).toBe(1);
  expect(results.keys()).toEqual([manifest.segments[0]?.key, 'manifest/manifest.json', 'metrics/kept.png.json']);
});
