import { expect, test } from 'vitest';
import { createDecodedOnce } from '#local/decode-once.ts';
import type { Codec } from '#pipeline/ports.ts';
import { createMemoryStore, testCodec } from '../pipeline/factories.ts';

const key = 'photos/a.png';

/** A photo, a codec that counts, and what the two steps read with. */
function setUp(maxBytes?: number) {
  const photos = createMemoryStore({ [key]: 'photo 30x20 of 100' });
  let decodings = 0;
  const codec: Codec = {
    ...testCodec,
    decode: (bytes) => {
      decodings++;
      return testCodec.decode(bytes);
    },
  };
  const once = createDecodedOnce({ photos, codec }, maxBytes);
  const decode = async (step: 'check' | 'unmask') => {
    const stored = await once[step].photos.get(key);
    return stored && once[step].codec.decode(stored.bytes);
  };
  return { photos, once, decode, decodings: () => decodings };
}

test('the unmasking gets the pixels that the check has decoded', async () => {
  const { decode, decodings } = setUp();
  const first = await decode('check');
  expect(await decode('unmask')).toBe(first);
  expect(decodings()).toBe(1);
});

test('pixels are handed over once, so that none are held for long', async () => {
  const { decode, decodings } = setUp();
  await decode('check');
  await decode('unmask');
  await decode('unmask');
  expect(decodings()).toBe(2);
});

test('a photo that has changed since the check is decoded', async () => {
  const { decode, decodings, photos } = setUp();
  await decode('check');
  await photos.put(key, new TextEncoder().encode('photo 30x20 of 50'));
  expect(await decode('unmask')).toMatchObject({ raster: { data: expect.toSatisfy((data) => data[0] === 50) } });
  expect(decodings()).toBe(2);
});

test('a photo that is not unmasked is not held', async () => {
  const { once, decode, decodings, photos } = setUp();
  await decode('check');
  once.drop((await photos.head(key))?.etag ?? '');
  await decode('unmask');
  expect(decodings()).toBe(2);
});

test('more pixels than may be held are decoded twice', async () => {
  const { decode, decodings } = setUp(30 * 20 * 3 - 1);
  await decode('check');
  await decode('unmask');
  expect(decodings()).toBe(2);
});
