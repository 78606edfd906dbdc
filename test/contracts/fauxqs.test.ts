import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import type { S3Event } from 'aws-lambda';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createdObjects } from '#aws/events.ts';
import { createS3Store } from '#aws/s3-store.ts';
import { bootFauxqs, type Fauxqs } from './fauxqs.ts';

let fauxqs: Fauxqs;
beforeEach(async () => {
  fauxqs = await bootFauxqs();
});
afterEach(() => fauxqs.close());

/** Resolves with the next event that is emitted. */
function nextEvent(): Promise<S3Event> {
  return new Promise((resolve) => {
    const unsubscribe = fauxqs.onObjectCreated((event) => {
      unsubscribe();
      resolve(event);
    });
  });
}

test('a write is told as S3 tells it, version and all', async () => {
  fauxqs.createBucket('photos', { versioned: true });
  const told = nextEvent();
  const key = 'photos/a+b 100% ü😀.jpg';
  const { VersionId } = await fauxqs.s3.send(new PutObjectCommand({ Bucket: 'photos', Key: key, Body: 'pixels' }));
  const [created] = createdObjects(await told);
  const head = await createS3Store({ client: fauxqs.s3, bucket: 'photos' }).head(key);
  expect(created).toMatchObject({ bucket: 'photos', key, bytes: 6, versionId: VersionId, etag: head?.etag });
});

test('sequencers order the writes of a key', async () => {
  fauxqs.createBucket('photos');
  const store = createS3Store({ client: fauxqs.s3, bucket: 'photos' });
  const sequencers: (string | undefined)[] = [];
  for (const content of ['first', 'second', 'third']) {
    const told = nextEvent();
    await store.put('photos/a.jpg', Buffer.from(content));
    sequencers.push(createdObjects(await told)[0]?.sequencer);
  }
  expect([...sequencers].sort()).toEqual(sequencers);
  expect(new Set(sequencers).size).toBe(3);
});

test('what wrote nothing is not told', async () => {
  fauxqs.createBucket('photos');
  const store = createS3Store({ client: fauxqs.s3, bucket: 'photos' });
  const told: S3Event[] = [];
  fauxqs.onObjectCreated((event) => told.push(event));
  await store.put('a', Buffer.from('first'));
  await store.put('a', Buffer.from('second'), { condition: { ifAbsent: true } });
  await store.get('a');
  await fauxqs.s3.send(new DeleteObjectCommand({ Bucket: 'photos', Key: 'a' }));
  expect(told.flatMap(createdObjects)).toHaveLength(1);
});

test('it listens on this machine only', () => {
  expect(new URL(fauxqs.endpoint).hostname).toBe('127.0.0.1');
});
