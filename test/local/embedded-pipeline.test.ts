import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createEmbeddedPipeline, type EmbeddedTools, type Settled } from '#local/embedded-pipeline.ts';
import { createFolderStore } from '#local/folder-store.ts';
import { createLocalPhotos } from '#local/local-photos.ts';
import { createMemoryQueue } from '#local/memory-queue.ts';
import { readEarlier } from '#pipeline/commit-record.ts';
import {
  createMemoryStore,
  createTestClock,
  detectorOf,
  faceAt,
  paintingUnmasker,
  processing,
  referenceOf,
  testCodec,
  unusedDenoiser,
} from '../pipeline/factories.ts';

const keys = ['photos/a.png', 'photos/b.png'] as const;

function setUp(changes: Partial<EmbeddedTools> = {}) {
  const photos = createMemoryStore(Object.fromEntries(keys.map((key) => [key, 'photo 300x280 of 100'])));
  const settled: Settled[] = [];
  const deadLetters = createMemoryQueue();
  const pipeline = createEmbeddedPipeline({
    ...{ photos, results: createMemoryStore(), clock: createTestClock(), processing, deadLetters },
    ...{ codec: testCodec, detector: detectorOf([faceAt(100, 120)]), denoiser: unusedDenoiser },
    unmasker: paintingUnmasker(100),
    queue: createMemoryQueue({ visibilitySeconds: 3600, maxReceiveCount: 5, deadLetters }),
    onSettled: (photo) => settled.push(photo),
    ...changes,
  });
  return { settled, pipeline, process: async (key: string) => pipeline.process(await referenceOf(photos, key)) };
}

test('a photo goes through check, queue and unmasking in one call', async () => {
  const { process, settled } = setUp();
  await process(keys[0]);
  expect(settled).toMatchObject([{ skipped: false, record: { status: 'unmasked' } }]);
});

test('a photo is decoded once', async () => {
  let decodings = 0;
  const codec = {
    ...testCodec,
    inspect: (bytes: Uint8Array) => testCodec.inspect(bytes),
    decode: (bytes: Uint8Array) => {
      decodings++;
      return testCodec.decode(bytes);
    },
  };
  const { process } = setUp({ codec });
  await process(keys[0]);
  expect(decodings).toBe(1);
});

test('a photo whose unmasking always throws is tried five times, ends as failed, and the next one goes on', async () => {
  let runs = 0;
  const works = paintingUnmasker(100);
  const unmasker = {
    ...works,
    unmask: async (crop: Parameters<typeof works.unmask>[0]) => {
      runs++;
      if (runs <= 5) throw new Error('Out of luck.');
      return works.unmask(crop);
    },
  };
  const { process, settled } = setUp({ unmasker });
  await process(keys[0]);
  expect(runs).toBe(5);
  await process(keys[1]);
  expect(settled.map(({ record }) => [record.photo.key, record.status, record.reason?.code])).toEqual([
    [keys[0], 'failed', 'dead-letter'],
    [keys[1], 'unmasked', undefined],
  ]);
  expect(settled[0]?.record.reason?.message).toContain('Out of luck.');
});

test('a photo whose check throws three times ends as failed with the reason', async () => {
  const detector = { ...detectorOf([]), localise: async () => Promise.reject(new Error('No memory.')) };
  const { process, settled } = setUp({ detector });
  await process(keys[0]);
  expect(settled).toMatchObject([{ record: { status: 'failed', reason: { code: 'internal' } } }]);
  expect(settled[0]?.record.reason?.message).toContain('No memory.');
});

test('a photo deep in folders, under a key longer than results can have in S3, has its results in a folder too', async () => {
  const key = `photos/${'folder/'.repeat(143)}last of all.png`;
  expect(Buffer.byteLength(key)).toBeGreaterThan(1017);
  const folder = await mkdtemp(join(tmpdir(), 'unmask-long-'));
  try {
    const photos = createMemoryStore({ [key]: 'photo 300x280 of 100' });
    const results = createFolderStore(folder);
    const { settled, pipeline } = setUp({ photos, results });
    await pipeline.process(await referenceOf(photos, key));
    const [{ record } = unsettled()] = settled;
    expect(record).toMatchObject({ status: 'unmasked', photo: { key } });
    expect(await results.get(record.unmasked?.key ?? '')).toBeDefined();
    expect((await readEarlier(key, results))?.record).toEqual(record);
  } finally {
    await rm(folder, { recursive: true });
  }
});

const unsettled = (): never => {
  throw new Error('Expected the photo to be settled.');
};

test('a file that cannot be read ends as rejected, unreadable', async () => {
  const input = { key: 'photos/gone.png', file: '/nowhere/gone.png' };
  const photos = createLocalPhotos([input]);
  const reference = await photos.referenceOf(input);
  const settled: Settled[] = [];
  const deadLetters = createMemoryQueue();
  const pipeline = createEmbeddedPipeline({
    ...{ photos, results: createMemoryStore(), clock: createTestClock(), processing, deadLetters },
    ...{ codec: testCodec, detector: detectorOf([]), denoiser: unusedDenoiser, unmasker: paintingUnmasker(100) },
    queue: createMemoryQueue(),
    onSettled: (photo) => settled.push(photo),
  });
  await pipeline.process(reference);
  expect(reference.etag).toBe('unreadable');
  expect(settled).toMatchObject([{ record: { status: 'rejected', reason: { code: 'unreadable' } } }]);
});
