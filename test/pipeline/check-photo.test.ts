import { expect, test } from 'vitest';
import { type CheckTools, checkPhoto } from '#pipeline/check-photo.ts';
import { type Job, jobIdOf, parseJob, serialiseJob } from '#pipeline/job.ts';
import {
  createMemoryStore,
  createTestClock,
  createTestQueue,
  detectorOf,
  faceAt,
  processing,
  referenceOf,
  testCodec,
} from './factories.ts';

const key = 'photos/anna.png';

function setUp(content: string, changes: Pick<Partial<CheckTools>, 'detector'> = {}) {
  const photos = createMemoryStore({ [key]: content });
  const results = createMemoryStore();
  const queue = createTestQueue();
  const clock = createTestClock();
  const tools = { photos, results, queue, codec: testCodec, detector: detectorOf([]), clock, processing, ...changes };
  return { ...tools, check: async () => checkPhoto(await referenceOf(photos, key), tools) };
}

test('a photo with a masked face is queued as a job that holds the faces, and has no record yet', async () => {
  const face = faceAt(100, 120);
  const { check, queue, results, photos } = setUp('photo 300x280 of 100', { detector: detectorOf([face]) });
  const outcome = await check();
  expect(outcome.outcome).toBe('queued');
  const job = parseJob(queue.sent[0] ?? '');
  expect(job.faces).toEqual([face]);
  expect(job.jobId).toBe(jobIdOf(await referenceOf(photos, key), processing));
  expect(results.keys()).toEqual([]);
});

test('a photo of bare faces gets its record at once, with every face in it', async () => {
  const face = faceAt(100, 120, { masked: false, maskProbability: 0.02 });
  const { check, queue } = setUp('photo 300x280 of 100', { detector: detectorOf([face]) });
  const outcome = await check();
  expect(outcome).toMatchObject({
    outcome: 'recorded',
    record: {
      status: 'bare',
      photo: { width: 300, height: 280, format: 'png' },
      faces: [{ box: face.box, masked: false, quality: null, seam: null, noiseSigma: null }],
    },
  });
  expect(queue.sent).toEqual([]);
});

test('a photo without faces is recorded as no-face with its reason', async () => {
  const { check } = setUp('photo 300x280 of 100');
  expect(await check()).toMatchObject({ record: { status: 'no-face', reason: { code: 'no-face' } } });
});

test('what is no image is rejected with the reason of the codec, and is not retried', async () => {
  const { check, queue } = setUp('hello');
  expect(await check()).toMatchObject({
    outcome: 'recorded',
    record: { status: 'rejected', reason: { code: 'not-an-image' }, photo: { width: null, format: null }, faces: [] },
  });
  expect(queue.sent).toEqual([]);
});

test('a photo that is gone is rejected as unreadable', async () => {
  const { photos, check, results, ...tools } = setUp('photo 300x280 of 100');
  const photo = await referenceOf(photos, key);
  await photos.delete(key);
  const outcome = await checkPhoto(photo, { ...tools, photos, results });
  expect(outcome).toMatchObject({ record: { status: 'rejected', reason: { code: 'unreadable' } } });
});

test('a version of a photo that somebody deleted leaves no record', async () => {
  const { photos, check, results, ...tools } = setUp('photo 300x280 of 100');
  const photo = { ...(await referenceOf(photos, key)), versionId: 'v1' };
  await photos.delete(key);
  expect(await checkPhoto(photo, { ...tools, photos, results })).toMatchObject({ outcome: 'superseded' });
  expect(results.keys()).toEqual([]);
});

test('a file too large to be a photo is rejected without being read', async () => {
  const { photos, check, ...tools } = setUp('photo 300x280 of 100');
  const photo = { ...(await referenceOf(photos, key)), bytes: 3e9 };
  const unread = { ...photos, get: async () => Promise.reject(new Error('It must not be read.')) };
  const outcome = await checkPhoto(photo, { ...tools, photos: unread });
  expect(outcome).toMatchObject({ record: { status: 'rejected', reason: { code: 'too-large' } } });
});

test('a photo that is done is not done again, unless forced', async () => {
  const { check, photos, ...tools } = setUp('photo 300x280 of 100');
  await check();
  const again = await check();
  expect(again.outcome).toBe('done-before');
  const forced = await checkPhoto(await referenceOf(photos, key), { ...tools, photos, force: true });
  expect(forced.outcome).toBe('recorded');
});

test('a new model or threshold makes a new job of the same photo', async () => {
  const { photos } = setUp('photo 300x280 of 100');
  const photo = await referenceOf(photos, key);
  const newer = { ...processing, unmasker: { ...processing.unmasker, version: '2.0.0' } };
  expect(jobIdOf(photo, newer)).not.toBe(jobIdOf(photo, processing));
  expect(jobIdOf(photo, { ...processing, settings: 'another threshold' })).not.toBe(jobIdOf(photo, processing));
  expect(jobIdOf(photo, { ...processing, denoise: 'off' })).not.toBe(jobIdOf(photo, processing));
  expect(jobIdOf({ ...photo }, { ...processing })).toBe(jobIdOf(photo, processing));
});

test('an error of a tool is thrown, so that it is retried', async () => {
  const detector = { ...detectorOf([]), localise: async () => Promise.reject(new Error('Out of memory.')) };
  await expect(setUp('photo 300x280 of 100', { detector }).check()).rejects.toThrow('Out of memory.');
});

test('a message that is no job says so', () => {
  expect(() => parseJob('{"schemaVersion":2}')).toThrow('Expected a job of schemaVersion 1');
});

test('a job survives any key as plain ASCII, which every queue takes', () => {
  const keys = ['photos/ümlaut 照片.png', 'photos/\ufffe\uffff.png', 'photos/😷\n%+.png'];
  for (const key of keys) {
    const photo = { bucket: 'local', key, etag: 'e', bytes: 1 };
    const timings = { inspectMs: 0, decodeMs: 0, localiseMs: 0 };
    const job: Job = { schemaVersion: 1, jobId: jobIdOf(photo, processing), photo, faces: [], timings };
    expect(serialiseJob(job)).toMatch(/^[\x20-\x7e]+$/);
    expect(parseJob(serialiseJob(job))).toEqual(job);
  }
});
