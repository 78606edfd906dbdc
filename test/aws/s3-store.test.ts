import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { assertConditionalWrites } from '#aws/assert-conditional-writes.ts';
import { createS3Store } from '#aws/s3-store.ts';
import type { Store } from '#pipeline/ports.ts';
import { bootFauxqs, type Fauxqs } from '../contracts/fauxqs.ts';
import { storeContract } from '../contracts/store-contract.ts';

let fauxqs: Fauxqs;
let buckets = 0;
beforeAll(async () => {
  fauxqs = await bootFauxqs();
});
afterAll(() => fauxqs.close());

function openStore(options?: { readonly versioned: boolean }): Store {
  const bucket = `bucket-${++buckets}`;
  fauxqs.createBucket(bucket, options);
  return createS3Store({ client: fauxqs.s3, bucket, wait: async () => {} });
}

storeContract('an S3 bucket', async () => ({ store: openStore(), close: async () => {} }));

const bytes = (content: string): Uint8Array => Buffer.from(content);
const text = (content: Uint8Array | undefined): string => Buffer.from(content ?? []).toString();

describe('versions', () => {
  test('a version that was overwritten is still there by its id', async () => {
    const store = openStore({ versioned: true });
    await store.put('photos/a.jpg', bytes('first'));
    const first = await store.get('photos/a.jpg');
    await store.put('photos/a.jpg', bytes('second'));

    expect(first?.versionId).toBeTypeOf('string');
    expect(text((await store.get('photos/a.jpg'))?.bytes)).toBe('second');
    expect((await store.head('photos/a.jpg'))?.versionId).not.toBe(first?.versionId);
    const { versionId = '' } = first ?? {};
    expect(await store.get('photos/a.jpg', { versionId })).toEqual(first);
  });

  test('a version that is not there is undefined', async () => {
    const store = openStore({ versioned: true });
    await store.put('photos/a.jpg', bytes('first'));
    expect(await store.get('photos/a.jpg', { versionId: 'none' })).toBeUndefined();
  });

  test('a bucket without versions gives no version ids', async () => {
    const store = openStore();
    await store.put('photos/a.jpg', bytes('first'));
    expect(await store.get('photos/a.jpg')).not.toHaveProperty('versionId');
    expect(await store.head('photos/a.jpg')).not.toHaveProperty('versionId');
  });
});

describe('conditional writes', () => {
  const ifAbsent = { condition: { ifAbsent: true } as const };
  const undecided = { request: 'PUT', answer: { status: 409, code: 'ConditionalRequestConflict' } } as const;

  test('are tried again while S3 cannot decide', async () => {
    const store = openStore();
    fauxqs.failNext(undecided);
    fauxqs.failNext(undecided);
    expect(await store.put('a', bytes('x'), ifAbsent)).toHaveProperty('etag');
  });

  test('give up when S3 cannot decide for long, after waiting longer each time', async () => {
    fauxqs.createBucket('undecided');
    const waits: number[] = [];
    const wait = async (milliseconds: number) => waits.push(milliseconds);
    const store = createS3Store({ client: fauxqs.s3, bucket: 'undecided', wait });
    for (let i = 0; i < 6; i++) fauxqs.failNext(undecided);
    await expect(store.put('a', bytes('x'), ifAbsent)).rejects.toThrow(
      'S3 could not decide a conditional write to undecided in 6 attempts',
    );
    expect(waits).toEqual([50, 100, 200, 400, 800]);
  });

  test('succeed when only the answer to the write got lost', async () => {
    const store = openStore();
    fauxqs.failNext({ request: 'PUT', answer: 'lost' });
    const put = await store.put('a', bytes('mine'), ifAbsent);
    expect(put).toEqual({ etag: (await store.head('a'))?.etag });

    fauxqs.failNext({ request: 'PUT', answer: 'lost' });
    expect(
      await store.put('a', bytes('next'), { condition: { ifMatch: (await store.head('a'))?.etag ?? '' } }),
    ).toHaveProperty('etag');
    expect(text((await store.get('a'))?.bytes)).toBe('next');
  });

  test('are refused after a repeated request when the object is another writer’s', async () => {
    const store = openStore();
    await store.put('a', bytes('the same'), ifAbsent);
    fauxqs.failNext({ request: 'PUT', answer: { status: 503, code: 'SlowDown' } });
    expect(await store.put('a', bytes('the same'), ifAbsent)).toBe('conflict');
  });

  test('prove themselves', async () => {
    const store = openStore();
    await assertConditionalWrites(store);
    for await (const { key } of store.list('')) expect.unreachable(`${key} was left behind`);
  });

  test('that are ignored with a silent 200 are found out', async () => {
    const store = openStore();
    const ignoring: Store = { ...store, put: (key, content) => store.put(key, content) };
    await expect(assertConditionalWrites(ignoring)).rejects.toThrow('it ignores conditional writes');
    for await (const { key } of store.list('')) expect.unreachable(`${key} was left behind`);
  });

  test.each(['ifAbsent', 'ifMatch'] as const)('of which only %s is ignored are found out too', async (ignored) => {
    const store = openStore();
    const ignoring: Store = {
      ...store,
      put: (key, content, options) =>
        options?.condition && ignored in options.condition ? store.put(key, content) : store.put(key, content, options),
    };
    await expect(assertConditionalWrites(ignoring)).rejects.toThrow('it ignores conditional writes');
  });
});

test('a bucket that is not there is an error, not an absent object', async () => {
  const store = createS3Store({ client: fauxqs.s3, bucket: 'nowhere' });
  await expect(store.get('a')).rejects.toThrow();
  await expect(store.put('a', bytes('x'), { condition: { ifMatch: 'etag' } })).rejects.toThrow();
});

test('a refusal that is no answer to the condition is thrown', async () => {
  const store = openStore();
  fauxqs.failNext({ request: 'PUT', answer: { status: 403, code: 'AccessDenied' } });
  await expect(store.put('a', bytes('x'), { condition: { ifAbsent: true } })).rejects.toThrow('AccessDenied');
  fauxqs.failNext({ request: 'GET', answer: { status: 403, code: 'AccessDenied' } });
  await expect(store.get('a')).rejects.toThrow('AccessDenied');
});

test('a key that no object can have names nothing, and nobody is asked', async () => {
  const store = createS3Store({ client: fauxqs.s3, bucket: 'nowhere' });
  const tooLong = `references/${'é'.repeat(507)}`;
  expect(Buffer.byteLength(tooLong)).toBe(1025);
  expect(await store.get(tooLong)).toBeUndefined();
  expect(await store.head(tooLong)).toBeUndefined();
});
