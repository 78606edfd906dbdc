import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createObjectVersions } from '#aws/object-versions.ts';
import { createS3Store } from '#aws/s3-store.ts';
import { bootFauxqs, type Fauxqs } from '../contracts/fauxqs.ts';

let fauxqs: Fauxqs;
beforeEach(async () => {
  fauxqs = await bootFauxqs();
  fauxqs.createBucket('photos', { versioned: true });
  fauxqs.createBucket('results');
});
afterEach(() => fauxqs.close());

const put = (Key: string, Bucket = 'photos') => fauxqs.s3.send(new PutObjectCommand({ Bucket, Key, Body: Key }));
const mark = (Key: string) => fauxqs.s3.send(new DeleteObjectCommand({ Bucket: 'photos', Key }));
const versionsOf = (bucket: string) => createObjectVersions({ client: fauxqs.s3, bucket });

async function collect<Item>(items: AsyncIterable<Item>): Promise<readonly Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

test('every version and every marker is found, the latest at the end, of exactly that key', async () => {
  const key = 'photos/a+b 100% ü😀.jpg';
  const first = await put(key);
  const marker = await mark(key);
  const second = await put(key);
  await put(`${key}.old`);
  expect(await versionsOf('photos').of(key)).toEqual(
    [
      { versionId: marker.VersionId, isMarker: true, isLatest: false },
      { versionId: first.VersionId, isMarker: false, isLatest: false },
      { versionId: second.VersionId, isMarker: false, isLatest: true },
    ].map((version) => expect.objectContaining({ bucket: 'photos', key, ...version })),
  );
  expect(await versionsOf('photos').of('photos/a')).toEqual([]);
});

test('deleting them in this order never brings an older one to light, and leaves nothing', async () => {
  const store = createS3Store({ client: fauxqs.s3, bucket: 'photos' });
  await put('photos/a.jpg');
  await put('photos/a.jpg');
  await mark('photos/a.jpg');
  const versions = versionsOf('photos');
  for (const version of await versions.of('photos/a.jpg')) {
    await versions.delete(version);
    expect(await store.head('photos/a.jpg')).toBeUndefined();
  }
  expect(await versions.of('photos/a.jpg')).toEqual([]);
});

test('deleting one version leaves the others', async () => {
  await put('photos/a.jpg');
  const { VersionId } = await put('photos/a.jpg');
  const versions = versionsOf('photos');
  const [older] = await versions.of('photos/a.jpg');
  if (older) await versions.delete(older);
  expect(await versions.of('photos/a.jpg')).toEqual([expect.objectContaining({ versionId: VersionId })]);
  expect(await createS3Store({ client: fauxqs.s3, bucket: 'photos' }).head('photos/a.jpg')).toBeDefined();
});

test('a bucket without versions has one of each object', async () => {
  await put('metrics/a.json', 'results');
  const versions = versionsOf('results');
  const found = await versions.of('metrics/a.json');
  expect(found).toEqual([
    { bucket: 'results', key: 'metrics/a.json', versionId: 'null', isLatest: true, isMarker: false },
  ]);
  for (const version of [...found, ...found]) await versions.delete(version);
  expect(await versions.of('metrics/a.json')).toEqual([]);
});

test('a listing goes on beyond a thousand versions and misses none', async () => {
  const versions = versionsOf('photos');
  for (let i = 0; i < 21; i++) await Promise.all(Array.from({ length: 50 }, (_, j) => put(`photos/${j % 7}.jpg`)));
  const found = await collect(versions.list('photos/'));
  expect(found).toHaveLength(1050);
  expect(new Set(found.map(({ versionId }) => versionId)).size).toBe(1050);
  expect(found.filter(({ isLatest }) => isLatest).map(({ key }) => key)).toEqual(
    [0, 1, 2, 3, 4, 5, 6].map((n) => `photos/${n}.jpg`),
  );
}, 60_000);
