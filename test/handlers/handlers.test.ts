import { describe, expect, test } from 'vitest';
import { uploadEvent } from '#aws/check-function.ts';
import type { Job } from '#pipeline/job.ts';
import { parseManifest } from '#pipeline/manifest.ts';
import { parseMetricsRecord } from '#pipeline/metrics-record.ts';
import type { PhotoReference } from '#pipeline/photo.ts';
import type { Store } from '#pipeline/ports.ts';
import { catalogue } from '../../lambdas/catalogue.ts';
import { check } from '../../lambdas/check.ts';
import { deadLetter } from '../../lambdas/dead-letter.ts';
import { reconcile } from '../../lambdas/reconcile.ts';
import { unmask } from '../../lambdas/unmask.ts';
import {
  createMemoryStore,
  createTestClock,
  createTestQueue,
  detectorOf,
  faceAt,
  paintingUnmasker,
  processing,
  recordOf,
  referenceOf,
  testCodec,
  unusedDenoiser,
} from '../pipeline/factories.ts';
import { failedCheck, observing, queueEvent } from './events.ts';

const clock = createTestClock();

function cloud(objects: Record<string, string> = {}) {
  const observed = observing();
  return {
    ...observed,
    photos: createMemoryStore(objects),
    results: createMemoryStore(),
    queue: createTestQueue(),
    codec: testCodec,
    detector: detectorOf([faceAt(100, 100)]),
    denoiser: unusedDenoiser,
    unmasker: paintingUnmasker(200),
    processing,
    clock,
    hasTime: () => true,
  };
}

const recordIn = async (results: Store, key: string) => {
  const stored = await results.get(key);
  if (!stored) throw new Error(`Expected a record at ${key}.`);
  return parseMetricsRecord(stored.bytes);
};

const job = (photo: PhotoReference): Job => ({
  schemaVersion: 1,
  jobId: 'b'.repeat(64),
  photo: { ...photo },
  faces: [{ ...faceAt(100, 100), eyes: [...faceAt(100, 100).eyes] }],
  timings: { inspectMs: 1, decodeMs: 2, localiseMs: 3 },
});

describe('check', () => {
  test('an upload with a mask is queued, whatever its name', async () => {
    const key = 'photos/fête +1/ana & 名.png';
    const tools = cloud({ [key]: 'photo 300x280 of 100' });
    await check(uploadEvent(await referenceOf(tools.photos, key)), tools);
    expect(tools.queue.sent).toHaveLength(1);
    expect(JSON.parse(tools.queue.sent[0] ?? '').photo.key).toBe(key);
  });

  test('a job that check sends is one that unmask takes', async () => {
    const key = 'photos/anna.png';
    const tools = cloud({ [key]: 'photo 300x280 of 100' });
    const event = uploadEvent(await referenceOf(tools.photos, key));
    // S3 puts a sequencer beside the key, which is no part of a job.
    await check(JSON.parse(JSON.stringify(event).replace('"key"', '"sequencer":"0055AED6DCD90281E5","key"')), tools);
    expect(await unmask(queueEvent(tools.queue.sent), tools)).toEqual({ batchItemFailures: [] });
    expect((await recordIn(tools.results, 'metrics/anna.png.json')).status).toBe('unmasked');
    expect(tools.measured).toMatchObject({ PhotosUnmasked: 1, FacesUnmasked: 1 });
  });

  test('folders that the S3 console makes are no photos', async () => {
    const tools = cloud({ 'photos/holiday/': '' });
    await check(uploadEvent(await referenceOf(tools.photos, 'photos/holiday/')), tools);
    await check(uploadEvent({ bucket: 'b', key: 'photos/', etag: 'e', bytes: 0 }), tools);
    expect(tools.results.keys()).toEqual([]);
  });

  test('the event that S3 sends to try a notification is nothing', async () => {
    await expect(check({ Service: 'Amazon S3', Event: 's3:TestEvent', Bucket: 'b' }, cloud())).resolves.toBeUndefined();
  });

  test('no log line holds a key', async () => {
    const tools = cloud({ 'photos/secret-name.png': 'photo 300x280 of 100', 'photos/secret.txt': 'no photo' });
    await check(uploadEvent(await referenceOf(tools.photos, 'photos/secret.txt')), tools);
    await check(uploadEvent(await referenceOf(tools.photos, 'photos/secret-name.png')), tools);
    await unmask(queueEvent(tools.queue.sent), tools);
    expect(tools.lines).toHaveLength(3);
    expect(JSON.stringify(tools.lines)).not.toContain('secret');
  });
});

describe('unmask', () => {
  test('jobs that there is no time for go back', async () => {
    const tools = cloud({ 'photos/a.png': 'photo 300x280 of 100' });
    const body = job(await referenceOf(tools.photos, 'photos/a.png'));
    // Two are begun at once; the third waits until one of them is done.
    const response = await unmask(queueEvent([body, body, body]), {
      ...tools,
      hasTime: () => tools.lines.length === 0,
    });
    expect(response).toEqual({ batchItemFailures: [{ itemIdentifier: 'message-2' }] });
  });

  test('a job that cannot be read goes back alone', async () => {
    const tools = cloud({ 'photos/a.png': 'photo 300x280 of 100' });
    const body = job(await referenceOf(tools.photos, 'photos/a.png'));
    expect(await unmask(queueEvent(['{}', body]), tools)).toEqual({
      batchItemFailures: [{ itemIdentifier: 'message-0' }],
    });
  });

  test('while one photo is fetched or stored another is in work, and never the pixels of two', async () => {
    const tools = cloud({ 'photos/a.png': 'photo 300x280 of 100', 'photos/b.png': 'photo 300x280 of 90' });
    const jobs = await Promise.all(['photos/a.png', 'photos/b.png'].map((key) => referenceOf(tools.photos, key)));
    let inWork = 0;
    let stored = 0;
    const codec = {
      ...tools.codec,
      decode: (bytes: Uint8Array) => {
        expect(++inWork).toBe(1);
        return tools.codec.decode(bytes);
      },
      encode: async (...encoding: Parameters<typeof tools.codec.encode>) => {
        const bytes = await tools.codec.encode(...encoding);
        inWork--;
        return bytes;
      },
    };
    const { promise: bothMade, resolve } = Promise.withResolvers<void>();
    const put: Store['put'] = async (key, ...object) => {
      // The first is not stored before the pixels of the second are done.
      if (key.startsWith('unmasked/') && ++stored === 2) resolve();
      if (key.startsWith('unmasked/')) await bothMade;
      return tools.results.put(key, ...object);
    };
    const both = queueEvent(jobs.map((photo, index) => ({ ...job(photo), jobId: `${index}`.repeat(64) })));
    expect(await unmask(both, { ...tools, codec, results: { ...tools.results, put } })).toEqual({
      batchItemFailures: [],
    });
    expect(tools.measured.PhotosUnmasked).toBe(2);
  });

  test('a photo of very many bytes is in memory alone', async () => {
    const tools = cloud({ 'photos/a.png': 'photo 300x280 of 100', 'photos/b.png': 'photo 300x280 of 90' });
    const jobs = await Promise.all(['photos/a.png', 'photos/b.png'].map((key) => referenceOf(tools.photos, key)));
    const held: string[] = [];
    const photos: Store = {
      ...tools.photos,
      get: async (key, options) => {
        if (key.startsWith('photos/')) held.push(key);
        return tools.photos.get(key, options);
      },
    };
    const results: Store = {
      ...tools.results,
      put: async (key, ...object) => {
        if (key.startsWith('metrics/')) held.push(key);
        return tools.results.put(key, ...object);
      },
    };
    const large = jobs.map((photo, index) => ({ ...job({ ...photo, bytes: 60e6 }), jobId: `${index}`.repeat(64) }));
    await unmask(queueEvent(large), { ...tools, photos, results });
    expect(held).toEqual(['photos/a.png', 'metrics/a.png.json', 'photos/b.png', 'metrics/b.png.json']);
  });

  test('a redelivered job is done once and counted once', async () => {
    const tools = cloud({ 'photos/a.png': 'photo 300x280 of 100' });
    const body = job(await referenceOf(tools.photos, 'photos/a.png'));
    await unmask(queueEvent([body, body]), tools);
    expect(tools.measured.PhotosUnmasked).toBe(1);
  });
});

describe('dead-letter', () => {
  test('a job that failed for good becomes a failed record', async () => {
    const tools = cloud({ 'photos/a.png': 'photo 300x280 of 100' });
    const letter = job(await referenceOf(tools.photos, 'photos/a.png'));
    expect(await deadLetter(queueEvent([letter]), tools)).toEqual({ batchItemFailures: [] });
    expect(await recordIn(tools.results, 'metrics/a.png.json')).toMatchObject({
      status: 'failed',
      reason: { code: 'dead-letter' },
    });
    expect(tools.measured).toMatchObject({ DeadLetters: 1, PhotosFailed: 1 });
  });

  test('a check that failed for good does too, with what AWS says of it', async () => {
    const tools = cloud({ 'photos/a.png': 'photo 300x280 of 100' });
    const letter = failedCheck(await referenceOf(tools.photos, 'photos/a.png'));
    await deadLetter(queueEvent([letter]), tools);
    expect((await recordIn(tools.results, 'metrics/a.png.json')).reason).toEqual({
      code: 'internal',
      message: 'The check failed: RequestId: e4b46cbf Process exited before completing request',
    });
  });

  test('a letter that nobody can read stays in the queue', async () => {
    expect(await deadLetter(queueEvent(['not a job', '{"a":1}']), cloud())).toEqual({
      batchItemFailures: [{ itemIdentifier: 'message-0' }, { itemIdentifier: 'message-1' }],
    });
  });

  test('what was done meanwhile stays done', async () => {
    const tools = cloud({ 'photos/a.png': 'photo 300x280 of 100' });
    await check(uploadEvent(await referenceOf(tools.photos, 'photos/a.png')), tools);
    await unmask(queueEvent(tools.queue.sent), tools);
    await deadLetter(queueEvent(tools.queue.sent), tools);
    expect((await recordIn(tools.results, 'metrics/a.png.json')).status).toBe('unmasked');
  });
});

describe('catalogue', () => {
  const written = (key: string) => uploadEvent({ bucket: 'results', key, etag: 'e', bytes: 1 });

  test('records of a batch reach the manifest together', async () => {
    const tools = cloud();
    const record = (key: string) => JSON.stringify(recordOf({ jobId: key, photo: { ...recordOf().photo, key } }));
    const results = createMemoryStore({ 'metrics/a.json': record('photos/a'), 'metrics/b.json': record('photos/b') });
    const event = queueEvent([written('metrics/a.json'), written('metrics/b.json'), written('metrics/gone.json')]);
    expect(await catalogue(event, { ...tools, results })).toEqual({ batchItemFailures: [] });
    const manifest = parseManifest((await results.get('manifest/manifest.json'))?.bytes ?? new Uint8Array());
    expect(manifest.counts.bare).toBe(2);
    expect(manifest.segments).toHaveLength(1);
  });

  test('a record that cannot be read goes back alone', async () => {
    const results = createMemoryStore({ 'metrics/a.json': '{}', 'metrics/b.json': JSON.stringify(recordOf()) });
    const event = queueEvent([written('metrics/a.json'), written('metrics/b.json')]);
    expect(await catalogue(event, { ...cloud(), results })).toEqual({
      batchItemFailures: [{ itemIdentifier: 'message-0' }],
    });
    expect(results.keys()).toContain('manifest/manifest.json');
  });
});

describe('reconcile', () => {
  test('uploads without a record are checked again, and failed ones when asked', async () => {
    const tools = cloud({ 'photos/lost.png': 'photo', 'photos/failed.png': 'photo', 'photos/done.png': 'photo' });
    const results = createMemoryStore({
      'metrics/done.png.json': JSON.stringify(recordOf()),
      'metrics/failed.png.json': JSON.stringify(recordOf({ status: 'failed' })),
    });
    const again: string[] = [];
    const checkAgain = async ({ key }: PhotoReference) => void again.push(key);
    const reconciling = { ...tools, results, bucket: 'photos', checkAgain };

    expect(await reconcile({ failed: false }, reconciling)).toEqual({ uploads: 1 });
    expect(again).toEqual(['photos/lost.png']);
    expect(await reconcile({ failed: true }, reconciling)).toEqual({ uploads: 2 });
    expect(again).toEqual(['photos/lost.png', 'photos/failed.png', 'photos/lost.png']);
  });
});
