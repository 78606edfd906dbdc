import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ObjectSummary, Store } from '#pipeline/ports.ts';
import { collect } from './collect.ts';

export type OpenedStore = { readonly store: Store; readonly close: () => Promise<void> };

/**
 * What every store promises, whatever it is made of. Run it once per adapter:
 *
 *     storeContract('folder store', async () => ({ store: createFolderStore(folder), close: () => rm(folder, ...) }));
 *
 * `open` gives an empty store; it is called, and closed, for each test.
 */
export function storeContract(name: string, open: () => Promise<OpenedStore>): void {
  describe(`${name} is a store`, () => {
    let opened: OpenedStore;
    let store: Store;
    beforeEach(async () => {
      opened = await open();
      store = opened.store;
    });
    afterEach(() => opened.close());

    test('there is no object until one is written', async () => {
      expect(await store.get('photos/a.jpg')).toBeUndefined();
      expect(await store.head('photos/a.jpg')).toBeUndefined();
      expect(await listed(store, '')).toEqual([]);
    });

    test('an object comes back as it was written, with one etag everywhere', async () => {
      const put = await store.put('photos/a.jpg', bytes('pixels'), { contentType: 'image/jpeg' });
      if (put === 'conflict') throw new Error('Expected a put without condition to succeed');

      expect(await store.get('photos/a.jpg')).toMatchObject({ etag: put.etag });
      expect(text((await store.get('photos/a.jpg'))?.bytes)).toBe('pixels');
      expect(await store.head('photos/a.jpg')).toMatchObject({ bytes: 6, etag: put.etag });
      expect(await listed(store, '')).toMatchObject([{ key: 'photos/a.jpg', bytes: 6, etag: put.etag }]);
      expect((await listed(store, ''))[0]?.lastModified.getTime()).toBeGreaterThan(Date.UTC(2020));
    });

    test('etags are bare, without the quotes of HTTP', async () => {
      expect(await store.put('a', bytes('pixels'))).toMatchObject({ etag: expect.not.stringContaining('"') });
    });

    test('another content has another etag, and the same content the same', async () => {
      const first = await store.put('a', bytes('one'));
      expect(await store.put('b', bytes('two'))).not.toEqual(first);
      expect(await store.put('c', bytes('one'))).toEqual(first);
    });

    test('an empty object is an object', async () => {
      await store.put('empty', new Uint8Array());
      expect((await store.get('empty'))?.bytes).toHaveLength(0);
      expect(await store.head('empty')).toMatchObject({ bytes: 0 });
    });

    test('a put without condition replaces the object', async () => {
      await store.put('a', bytes('a longer first content'));
      await store.put('a', bytes('second'));
      expect(text((await store.get('a'))?.bytes)).toBe('second');
    });

    test('the caller may change the bytes after a put, and those that it got', async () => {
      const mine = bytes('pixels');
      await store.put('a', mine);
      mine.fill(0);
      (await store.get('a'))?.bytes.fill(0);
      expect(text((await store.get('a'))?.bytes)).toBe('pixels');
    });

    test('ifAbsent writes when there is nothing', async () => {
      expect(await store.put('a', bytes('first'), { condition: { ifAbsent: true } })).not.toBe('conflict');
      expect(text((await store.get('a'))?.bytes)).toBe('first');
    });

    test('ifAbsent leaves what is there, even if it is the same', async () => {
      await store.put('a', bytes('first'));
      expect(await store.put('a', bytes('second'), { condition: { ifAbsent: true } })).toBe('conflict');
      expect(await store.put('a', bytes('first'), { condition: { ifAbsent: true } })).toBe('conflict');
      expect(text((await store.get('a'))?.bytes)).toBe('first');
    });

    test('ifAbsent writes again after a delete', async () => {
      await store.put('a', bytes('first'));
      await store.delete('a');
      expect(await store.put('a', bytes('second'), { condition: { ifAbsent: true } })).not.toBe('conflict');
    });

    test('ifMatch replaces the version that was read', async () => {
      await store.put('a', bytes('first'));
      const ifMatch = (await store.get('a'))?.etag ?? '';
      expect(await store.put('a', bytes('second'), { condition: { ifMatch } })).not.toBe('conflict');
      expect(text((await store.get('a'))?.bytes)).toBe('second');
    });

    test('ifMatch leaves a version that was not read', async () => {
      const first = await store.put('a', bytes('first'));
      if (first === 'conflict') throw new Error('Expected a put without condition to succeed');
      await store.put('a', bytes('second'));
      expect(await store.put('a', bytes('third'), { condition: { ifMatch: first.etag } })).toBe('conflict');
      expect(text((await store.get('a'))?.bytes)).toBe('second');
    });

    test('ifMatch writes nothing when the object is gone', async () => {
      const first = await store.put('a', bytes('first'));
      if (first === 'conflict') throw new Error('Expected a put without condition to succeed');
      await store.delete('a');
      expect(await store.put('a', bytes('second'), { condition: { ifMatch: first.etag } })).toBe('conflict');
      expect(await store.get('a')).toBeUndefined();
    });

    test('of twenty concurrent puts with ifAbsent exactly one wins', async () => {
      const answers = await Promise.all(
        twenty.map((writer) => store.put('a', bytes(`writer ${writer}`), { condition: { ifAbsent: true } })),
      );
      const winners = twenty.filter((writer) => answers[writer] !== 'conflict');
      expect(winners).toHaveLength(1);
      expect(text((await store.get('a'))?.bytes)).toBe(`writer ${winners[0]}`);
    });

    test('of twenty concurrent puts with the same ifMatch exactly one wins', async () => {
      const first = await store.put('a', bytes('first'));
      if (first === 'conflict') throw new Error('Expected a put without condition to succeed');
      const answers = await Promise.all(
        twenty.map((writer) => store.put('a', bytes(`writer ${writer}`), { condition: { ifMatch: first.etag } })),
      );
      const winners = twenty.filter((writer) => answers[writer] !== 'conflict');
      expect(winners).toHaveLength(1);
      expect(text((await store.get('a'))?.bytes)).toBe(`writer ${winners[0]}`);
    });

    test('eight writers that read, add and retry on conflict lose no addition', async () => {
      await store.put('sum', bytes('0'));
      async function add(): Promise<void> {
        const read = await store.get('sum');
        if (read === undefined) throw new Error('Expected the sum to be there');
        const next = bytes(String(Number(text(read.bytes)) + 1));
        if ((await store.put('sum', next, { condition: { ifMatch: read.etag } })) === 'conflict') await add();
      }
      await Promise.all(twenty.slice(0, 8).map(add));
      expect(text((await store.get('sum'))?.bytes)).toBe('8');
    });

    test('a reader sees the old content or the new, never a part', async () => {
      const size = 1 << 18;
      await store.put('a', new Uint8Array(size).fill(0));
      const writing = Promise.all(twenty.slice(1, 6).map((value) => store.put('a', new Uint8Array(size).fill(value))));
      const seen = await Promise.all(twenty.slice(0, 10).map(() => store.get('a')));
      await writing;
      for (const object of seen) {
        expect(object?.bytes).toHaveLength(size);
        expect(object?.bytes.every((value) => value === object.bytes[0])).toBe(true);
      }
    });

    test('a deleted object is gone, and deleting it again is no error', async () => {
      await store.put('folder/a', bytes('pixels'));
      await store.delete('folder/a');
      await store.delete('folder/a');
      await store.delete('never/was/there');
      expect(await store.get('folder/a')).toBeUndefined();
      expect(await store.head('folder/a')).toBeUndefined();
      expect(await listed(store, '')).toEqual([]);
    });

    test('a key becomes free for a file when everything below it is deleted', async () => {
      await store.put('a/b/c', bytes('below'));
      await store.delete('a/b/c');
      await store.put('a', bytes('file'));
      expect((await listed(store, '')).map(({ key }) => key)).toEqual(['a']);
    });

    test('a listing has the keys under a prefix, which need not end a part', async () => {
      for (const key of ['metrics/a.json', 'metrics/sub/b.json', 'metricsy', 'metro/c', 'unmasked/a.jpg']) {
        await store.put(key, bytes(key));
      }
      expect((await listed(store, 'metrics/')).map(({ key }) => key)).toEqual(['metrics/a.json', 'metrics/sub/b.json']);
      expect((await listed(store, 'metr')).map(({ key }) => key)).toEqual([
        'metrics/a.json',
        'metrics/sub/b.json',
        'metricsy',
        'metro/c',
      ]);
      expect(await listed(store, 'metrics/a.json/')).toEqual([]);
      expect(await listed(store, 'nothing')).toEqual([]);
    });

    test('a listing is in the order of UTF-8 bytes, across folders', async () => {
      const inOrder = ['A', 'a!', 'a-b/c', 'a.b', 'a/b', 'a/b.c', 'a0', 'b', 'z', 'ä', '\uffe5', '😀'];
      for (const key of [...inOrder].reverse()) await store.put(key, bytes(key));
      expect((await listed(store, '')).map(({ key }) => key)).toEqual(inOrder);
    });

    test('a listing goes on beyond a thousand keys and misses none', async () => {
      const keys = Array.from(
        { length: 1005 },
        (_, i) => `photos/${i % 2 ? 'a' : 'B'}${String(i).padStart(4, '0')}.jpg`,
      );
      for (let i = 0; i < keys.length; i += 50) {
        await Promise.all(keys.slice(i, i + 50).map((key) => store.put(key, bytes(key))));
      }
      expect((await listed(store, 'photos/')).map(({ key }) => key)).toEqual([...keys].sort());
    }, 60_000);

    test('a listing can be left after its first object', async () => {
      await store.put('a', bytes('a'));
      await store.put('b', bytes('b'));
      for await (const { key } of store.list('')) {
        expect(key).toBe('a');
        break;
      }
    });

    test.each(oddKeys.map((key) => ({ key, name: shown(key) })))('the key $name works', async ({ key }) => {
      await store.put(key, bytes('odd'));
      expect(text((await store.get(key))?.bytes)).toBe('odd');
      expect(await store.head(key)).toMatchObject({ bytes: 3 });
      expect((await listed(store, '')).map((summary) => summary.key)).toEqual([key]);
      await store.delete(key);
      expect(await store.get(key)).toBeUndefined();
      expect(await listed(store, '')).toEqual([]);
    });

    test('keys that differ only where they are cut for a file system stay apart', async () => {
      const keys = ['one.json', 'two.json'].map((end) => `metrics/${'x'.repeat(300)}${end}`);
      for (const key of keys) await store.put(key, bytes(key));
      expect((await listed(store, 'metrics/')).map(({ key }) => key)).toEqual(keys);
      for (const key of keys) expect(text((await store.get(key))?.bytes)).toBe(key);
    });

    test('any sequence of puts and deletes leaves what a map would hold', async () => {
      const step = fc.record({
        do: fc.constantFrom('put', 'put if absent', 'put if as read', 'delete'),
        key: fc.constantFrom('a/x', 'a/y', 'b', 'ä b/+%'),
        content: fc.string({ maxLength: 20 }),
      });
      let run = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
          const model = new Map<string, string>();
          const root = `run ${++run}/`;
          for (const { do: action, key, content } of steps) {
            const etag = (await store.head(root + key))?.etag;
            expect(etag !== undefined).toBe(model.has(key));
            if (action === 'delete') {
              await store.delete(root + key);
              model.delete(key);
              continue;
            }
            const conditions = {
              put: {},
              'put if absent': { condition: { ifAbsent: true } as const },
              'put if as read': { condition: { ifMatch: etag ?? 'none' } },
            };
            const refused =
              action === 'put if absent' ? model.has(key) : action === 'put if as read' && !model.has(key);
            const answer = await store.put(root + key, Buffer.from(content), conditions[action]);
            expect(answer === 'conflict').toBe(refused);
            if (!refused) model.set(key, Buffer.from(content).toString());
          }
          const found = new Map<string, string>();
          for await (const { key } of store.list(root)) {
            found.set(key.slice(root.length), text((await store.get(key))?.bytes));
          }
          expect(found).toEqual(model);
        }),
        { numRuns: 15 },
      );
    });
  });
}

const twenty = Array.from({ length: 20 }, (_, i) => i);

const oddKeys = [
  'photos/with spaces  twice.jpg',
  'photos/100%.jpg',
  'photos/%2F%20.jpg',
  'photos/a+b.jpg',
  'photos/Zürich Größe.jpg',
  'photos/日本/写真.png',
  'photos/family 👨‍👩‍👧.jpg',
  'photos/new\nline.jpg',
  "photos/tab\tand 'quotes'\".jpg",
  'photos/a&b=c?d#e;f:g@h!.jpg',
  'photos/<tag>&amp;.jpg',
  'photos/[brackets]{braces}(round)*,$^`|.jpg',
  'photos/.hidden/..two dots.jpg',
  'photos/ends with a dot.',
  'photos/no-extension',
  'photos/~0123456789abcdef.jpg',
  'photos/CON.jpg',
  `photos/${'x'.repeat(989)}.jpg`,
  `metrics/${'ü'.repeat(490)}.png.json`,
  `photos/${'folder/'.repeat(140)}photo.jpg`,
  `photos/${'y'.repeat(300)}/${'z'.repeat(300)}/photo.jpg`,
];

function shown(key: string): string {
  return key.length <= 60
    ? JSON.stringify(key)
    : `${JSON.stringify(key.slice(0, 30))}, ${Buffer.byteLength(key)} bytes long,`;
}

async function listed(store: Store, prefix: string): Promise<readonly ObjectSummary[]> {
  return collect(store.list(prefix));
}

function bytes(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}

function text(content: Uint8Array | undefined): string {
  return new TextDecoder().decode(content);
}
