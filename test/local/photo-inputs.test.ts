import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createLocalPhotos } from '#local/local-photos.ts';
import { createInputStore, findPhotoInputs, type PhotoInputOptions } from '#local/photo-inputs.ts';
import { collect } from '../contracts/collect.ts';
import { asNobody } from './as-nobody.ts';

let folder: string;
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'unmask-inputs-')));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function files(...paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), `content of ${path}`);
  }
}

async function find(paths: readonly string[], options?: PhotoInputOptions) {
  const found = await findPhotoInputs(
    paths.map((path) => join(folder, path)),
    options,
  );
  if ('refused' in found) throw new Error(found.refused);
  return found;
}

async function keys(...paths: readonly string[]): Promise<readonly string[]> {
  return (await find(paths)).inputs.map(({ key }) => key);
}

async function refusal(paths: readonly string[], options?: PhotoInputOptions): Promise<string> {
  const found = await findPhotoInputs(
    paths.map((path) => join(folder, path)),
    options,
  );
  return 'refused' in found ? found.refused : 'not refused';
}

test('a file is its name, whatever folder it is in', async () => {
  await files('deep/er/a.jpg');
  expect(await find(['deep/er/a.jpg'])).toEqual({
    inputs: [{ key: 'photos/a.jpg', file: join(folder, 'deep/er/a.jpg') }],
    unreadable: [],
  });
});

test('a folder is what lies below it, nested, in key order', async () => {
  await files('in/b.jpg', 'in/a/z.jpg', 'in/a.jpg', 'in/a/y/x.png');
  expect(await keys('in')).toEqual(['photos/a.jpg', 'photos/a/y/x.png', 'photos/a/z.jpg', 'photos/b.jpg']);
});

test('files and folders mix', async () => {
  await files('one/a.jpg', 'two/b.jpg', 'c.jpg');
  expect(await keys('two', 'c.jpg', 'one')).toEqual(['photos/a.jpg', 'photos/b.jpg', 'photos/c.jpg']);
});

test('every regular file counts, also one that is no photo', async () => {
  await files('in/notes.txt', 'in/no-extension', 'in/a.jpg');
  expect(await keys('in')).toEqual(['photos/a.jpg', 'photos/no-extension', 'photos/notes.txt']);
});

test('below a folder names that start with a dot do not count; given by name they do', async () => {
  await files('in/.DS_Store', 'in/.cache/a.jpg', 'in/b.jpg', '.hidden/c.jpg');
  expect(await keys('in')).toEqual(['photos/b.jpg']);
  expect(await keys('in/.DS_Store', '.hidden')).toEqual(['photos/.DS_Store', 'photos/c.jpg']);
});

test('odd names are kept as they are', async () => {
  const names = ['100%.jpg', 'Zürich.jpg', 'a+b c.jpg', 'new\nline.jpg', '写真.png', '😀.jpg'];
  await files(...names.map((name) => `in/${name}`));
  expect(await keys('in')).toEqual(names.map((name) => `photos/${name}`));
});

test('an empty folder gives no inputs', async () => {
  await mkdir(join(folder, 'in'));
  expect(await find(['in'])).toEqual({ inputs: [], unreadable: [] });
});

test('the same file given twice is one input', async () => {
  await files('in/a.jpg', 'in/sub/b.jpg');
  expect(await keys('in/a.jpg', 'in/a.jpg', 'in', 'in/sub/../a.jpg')).toEqual(['photos/a.jpg', 'photos/sub/b.jpg']);
});

test('a file that its folder already gave keeps the folder’s path', async () => {
  await files('in/sub/b.jpg');
  expect(await keys('in', 'in/sub/b.jpg')).toEqual(['photos/sub/b.jpg']);
});

test('a folder and a link to it are one input', async () => {
  await files('in/a.jpg');
  await symlink(join(folder, 'in'), join(folder, 'link'));
  expect(await keys('in', 'link')).toEqual(['photos/a.jpg']);
});

test('two files that would become the same photo are refused by both names', async () => {
  await files('one/a.jpg', 'two/a.jpg');
  const message = await refusal(['one', 'two']);
  expect(message).toContain(join(folder, 'one/a.jpg'));
  expect(message).toContain(join(folder, 'two/a.jpg'));
  expect(message).toContain('photos/a.jpg');
});

test('a photo whose path is a folder of another is refused', async () => {
  await files('one/a', 'two/a/b.jpg');
  expect(await refusal(['one', 'two'])).toMatch(
    /one\/a and .*two\/a\/b\.jpg would need a file and a folder of the same name/,
  );
});

test('a photo whose record would be a folder of another is refused', async () => {
  await files('in/a', 'in/a.json/b.jpg');
  expect(await refusal(['in'])).toMatch(/in\/a and of .*in\/a\.json\/b\.jpg would need/);
});

test.runIf(process.platform === 'linux')(
  'names that differ only in case collide where the file system says so',
  async () => {
    await files('one/A.jpg', 'two/a.jpg', 'one/\u00fc.jpg', 'two/u\u0308.png');
    expect(await refusal(['one', 'two'], { platform: 'linux' })).toBe('not refused');
    expect(await refusal(['one', 'two'], { platform: 'darwin' })).toContain('would both become');
    expect(await refusal(['one', 'two'], { platform: 'win32' })).toContain('would both become');
  },
);

test('a file whose name the results folder keeps for itself is refused', async () => {
  await files('.~a.jpg');
  expect(await refusal(['.~a.jpg'])).toContain("names that start with .~ are the store's own");
});

test('an input that is not there is refused', async () => {
  await files('a.jpg');
  expect(await refusal(['a.jpg', 'missing.jpg'])).toBe(`There is no file or folder ${join(folder, 'missing.jpg')}`);
});

test.skipIf(process.platform === 'win32')('a pipe is refused when given, and no input below a folder', async () => {
  await files('in/a.jpg');
  execFileSync('mkfifo', [join(folder, 'in', 'pipe')]);
  expect(await keys('in')).toEqual(['photos/a.jpg']);
  expect(await refusal(['in/pipe'])).toContain('is neither');
});

test('links to files and folders are followed', async () => {
  await files('elsewhere/a.jpg', 'elsewhere/sub/b.jpg', 'in/c.jpg');
  await symlink(join(folder, 'elsewhere', 'a.jpg'), join(folder, 'in', 'link.jpg'));
  await symlink(join(folder, 'elsewhere'), join(folder, 'in', 'link'));
  expect(await keys('in')).toEqual(['photos/c.jpg', 'photos/link.jpg', 'photos/link/a.jpg', 'photos/link/sub/b.jpg']);
});

test('a folder is never entered inside itself', async () => {
  await files('in/sub/a.jpg');
  await symlink(join(folder, 'in'), join(folder, 'in', 'sub', 'up'));
  await symlink('.', join(folder, 'in', 'here'));
  expect(await keys('in')).toEqual(['photos/sub/a.jpg']);
});

test('a link that leads nowhere is reported, and the others go on', async () => {
  await files('in/a.jpg');
  await symlink(join(folder, 'gone'), join(folder, 'in', 'dangling.jpg'));
  const { inputs, unreadable } = await find(['in']);
  expect(inputs).toHaveLength(1);
  expect(unreadable).toMatchObject([
    { file: join(folder, 'in', 'dangling.jpg'), message: expect.stringContaining('ENOENT') },
  ]);
});

test.skipIf(process.platform === 'win32')('a folder that may not be read is reported', async () => {
  await files('in/a.jpg', 'in/secret/b.jpg');
  await chmod(join(folder, 'in', 'secret'), 0);
  const { inputs, unreadable } = await asNobody(folder, () => find(['in']));
  await chmod(join(folder, 'in', 'secret'), 0o700);
  expect(inputs).toHaveLength(1);
  expect(unreadable).toMatchObject([{ file: join(folder, 'in', 'secret') }]);
});

test.skipIf(process.platform === 'win32')('a photo that may not be opened is not there, and says so', async () => {
  await files('in/a.jpg');
  const { inputs } = await find(['in']);
  await chmod(join(folder, 'in', 'a.jpg'), 0);
  const photos = createLocalPhotos(inputs);
  await asNobody(folder, async () => {
    expect(await photos.referenceOf(inputs[0] ?? { key: '', file: '' })).toMatchObject({ etag: 'unreadable' });
    expect(await photos.get('photos/a.jpg')).toBeUndefined();
  });
});

test.runIf(process.platform === 'linux')('a file whose name is not UTF-8 is reported', async () => {
  await files('in/a.jpg');
  await writeFile(Buffer.concat([Buffer.from(join(folder, 'in', 'b')), Buffer.from([0xff]), Buffer.from('.jpg')]), 'x');
  const { inputs, unreadable } = await find(['in']);
  expect(inputs).toHaveLength(1);
  expect(unreadable).toMatchObject([{ message: 'its name is not valid UTF-8' }]);
});

test('results of an earlier run inside the inputs are left out', async () => {
  await files('a.jpg', 'out/unmasked/a.jpg', 'out/report.html');
  const { inputs } = await find(['.'], { except: [join(folder, 'out')] });
  expect(inputs.map(({ key }) => key)).toEqual(['photos/a.jpg']);
});

test('an input store reads photos where they are', async () => {
  await files('in/a.jpg', 'in/sub/b.jpg');
  const store = createInputStore((await find(['in'])).inputs);
  const object = await store.get('photos/sub/b.jpg');
  expect(Buffer.from(object?.bytes ?? []).toString()).toBe('content of in/sub/b.jpg');
  expect(await store.head('photos/sub/b.jpg')).toEqual({ bytes: 23, etag: object?.etag });
  expect(await collect(store.list('photos/sub/'))).toMatchObject([
    { key: 'photos/sub/b.jpg', bytes: 23, etag: object?.etag },
  ]);
  expect((await collect(store.list(''))).map(({ key }) => key)).toEqual(['photos/a.jpg', 'photos/sub/b.jpg']);
});

test('the etag of an input follows its content, not its name or time', async () => {
  await files('a.jpg', 'b.jpg');
  await writeFile(join(folder, 'b.jpg'), 'content of a.jpg');
  const store = createInputStore((await find(['a.jpg', 'b.jpg'])).inputs);
  expect(await store.head('photos/a.jpg')).toEqual(await store.head('photos/b.jpg'));
  await writeFile(join(folder, 'b.jpg'), 'content of b.jpg');
  expect(await store.head('photos/a.jpg')).not.toEqual(await store.head('photos/b.jpg'));
});

test('an input store has only its inputs, and a file that has gone is not there', async () => {
  await files('in/a.jpg', 'in/b.jpg');
  const store = createInputStore((await find(['in/a.jpg'])).inputs);
  expect(await store.get('photos/b.jpg')).toBeUndefined();
  await rm(join(folder, 'in', 'a.jpg'));
  expect(await store.get('photos/a.jpg')).toBeUndefined();
  expect(await store.head('photos/a.jpg')).toBeUndefined();
  expect(await collect(store.list(''))).toEqual([]);
});

test('an input store never writes', async () => {
  await files('a.jpg');
  const store = createInputStore((await find(['a.jpg'])).inputs);
  await expect(store.put('photos/a.jpg', Buffer.from('x'))).rejects.toThrow('Expected inputs to be only read');
  await expect(store.delete('photos/a.jpg')).rejects.toThrow('Expected inputs to be only read');
});
