import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createFolderStore } from '#local/folder-store.ts';
import { collect } from '../contracts/collect.ts';
import { storeContract } from '../contracts/store-contract.ts';

storeContract('a folder', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'unmask-store-'));
  return { store: createFolderStore(folder), close: () => rm(folder, { recursive: true }) };
});

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'unmask-store-'));
});
afterEach(() => rm(folder, { recursive: true }));

test('an object is a file of its name', async () => {
  await createFolderStore(folder).put('unmasked/a b/ü.jpg', Buffer.from('pixels'));
  expect(await readFile(join(folder, 'unmasked', 'a b', 'ü.jpg'), 'utf8')).toBe('pixels');
});

test('a file of a name is an object', async () => {
  await writeFile(join(folder, 'dropped.jpg'), 'pixels');
  expect(await createFolderStore(folder).head('dropped.jpg')).toMatchObject({ bytes: 6 });
});

test('the etag is the sha256 of the content', async () => {
  expect(await createFolderStore(folder).put('a', Buffer.from('abc'))).toEqual({
    etag: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  });
});

test('writing leaves nothing beside the objects, whether it succeeded or not', async () => {
  const store = createFolderStore(folder);
  await store.put('a', Buffer.from('first'), { condition: { ifAbsent: true } });
  await store.put('a', Buffer.from('second'), { condition: { ifAbsent: true } });
  await store.put('a', Buffer.from('third'), { condition: { ifMatch: 'another' } });
  await Promise.all([1, 2, 3].map(() => store.put('b', Buffer.from('b'), { condition: { ifAbsent: true } })));
  expect(await readdir(folder)).toEqual(['a', 'b']);
});

test('an unfinished file of a killed process is no object', async () => {
  await mkdir(join(folder, 'photos'));
  await writeFile(join(folder, 'photos', '.~4b1f'), 'half');
  expect(await collect(createFolderStore(folder).list(''))).toEqual([]);
});

test('an object cannot lie below another', async () => {
  const store = createFolderStore(folder);
  await store.put('a', Buffer.from('file'));
  await expect(store.put('a/b', Buffer.from('below'))).rejects.toThrow(/"a\/b".*is itself an object.*cannot hold both/);
  expect(await store.get('a/b')).toBeUndefined();
});

test.each([{}, { condition: { ifAbsent: true } as const }])(
  'an object cannot take the name of a folder, %j',
  async (options) => {
    const store = createFolderStore(folder);
    await store.put('a/b', Buffer.from('below'));
    await expect(store.put('a', Buffer.from('file'), options)).rejects.toThrow(/objects below "a"\/.*cannot hold both/);
    expect(await store.get('a')).toBeUndefined();
    expect(await store.head('a')).toBeUndefined();
  },
);

test.each(['', '/', '/a', 'a/', 'a//b', '.', '..', '../a', 'a/../../b', 'a/.', 'a\0b', '\ud800', '.~own', 'a/.~own'])(
  'the key %j is refused by every method',
  async (key) => {
    const store = createFolderStore(join(folder, 'store'));
    const refused = /^Expected a key that fits into a folder but received /;
    await expect(store.put(key, Buffer.from('x'))).rejects.toThrow(refused);
    await expect(store.get(key)).rejects.toThrow(refused);
    await expect(store.head(key)).rejects.toThrow(refused);
    await expect(store.delete(key)).rejects.toThrow(refused);
    expect(await readdir(folder)).toEqual([]);
  },
);

test('a folder that is not there yet is an empty store, and made by the first put', async () => {
  const store = createFolderStore(join(folder, 'not', 'yet'));
  expect(await collect(store.list(''))).toEqual([]);
  expect(await store.get('a')).toBeUndefined();
  await store.delete('a');
  expect(await readdir(folder)).toEqual([]);
  await store.put('a', Buffer.from('x'));
  expect(await readdir(join(folder, 'not', 'yet'))).toEqual(['a']);
});

test('a listing follows a link to another disk, but not in circles', async () => {
  await mkdir(join(folder, 'disk'));
  await mkdir(join(folder, 'store'));
  await symlink(join(folder, 'disk'), join(folder, 'store', 'unmasked'));
  await symlink(join(folder, 'store'), join(folder, 'disk', 'circle'));
  const store = createFolderStore(join(folder, 'store'));
  await store.put('unmasked/a.jpg', Buffer.from('x'));
  expect((await collect(store.list(''))).map(({ key }) => key)).toEqual(['unmasked/a.jpg']);
});

test('puts and deletes of one folder do not get in each other’s way', async () => {
  const store = createFolderStore(folder);
  const rounds = Array.from({ length: 50 }, (_, i) => `deep/er/${i % 5}`);
  await Promise.all(rounds.flatMap((key) => [store.put(key, Buffer.from('x')), store.delete(key)]));
  expect(await readdir(folder)).toEqual([]);
});

describe('of several processes', () => {
  /** Four at a time; `script` has `store`, `writer` (0 to 3) and prints JSON. */
  async function processes(script: string): Promise<readonly unknown[]> {
    const run = async (writer: number): Promise<unknown> => {
      const source = `
        import { createFolderStore } from '#local/folder-store.ts';
        const store = createFolderStore(${JSON.stringify(folder)});
        const writer = ${writer};
        ${script}`;
      const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', source]);
      return JSON.parse(stdout);
    };
    return Promise.all([0, 1, 2, 3].map(run));
  }

  test('exactly one writes an absent object', async () => {
    const won = await processes(`
      const won = [];
      for (let key = 0; key < 20; key++) {
        const put = await store.put('key ' + key, Buffer.from('writer ' + writer), { condition: { ifAbsent: true } });
        if (put !== 'conflict') won.push(key);
      }
      console.log(JSON.stringify(won));`);
    expect(won.flat().sort()).toEqual(Array.from({ length: 20 }, (_, key) => key).sort());
  });

  test('none undoes what another has written under ifMatch', async () => {
    await createFolderStore(folder).put('sum', Buffer.from('0'));
    await processes(`
      for (let added = 0; added < 10; ) {
        const { bytes, etag } = await store.get('sum');
        const put = await store.put('sum', Buffer.from(String(Number(bytes) + 1)), { condition: { ifMatch: etag } });
        if (put !== 'conflict') added++;
      }
      console.log('0');`);
    expect(await readFile(join(folder, 'sum'), 'utf8')).toBe('40');
    expect(await readdir(folder)).toEqual(['sum']);
  });
});
