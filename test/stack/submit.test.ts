import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runCli, startCli, temporaryFolder } from '../cli/cli.ts';
import { standInForTheCloud } from './cloud-stand-in.ts';
import { type InProcessAccount, openInProcessAccount } from './in-process-account.ts';

let account: InProcessAccount;
let folder: string;
beforeEach(async () => {
  account = await openInProcessAccount();
  folder = await temporaryFolder();
}, 60_000);
afterEach(() => account.close());

const submit = (...args: readonly string[]) =>
  runCli(['submit', ...args, '--out', join(folder, 'out')], { env: { ...account.env } });

/** Writes files below photos/ and answers that folder. */
async function photosOf(files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  for (const [path, content] of Object.entries(files)) {
    const file = join(folder, 'photos', path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
  }
  return join(folder, 'photos');
}

const events = (stdout: string): { readonly event: string; readonly [name: string]: unknown }[] =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('submit', { timeout: 180_000 }, () => {
  test('photos go up, results come down as a local run leaves them', async () => {
    const cloud = standInForTheCloud(account, (key) => (key.endsWith('b #1+%.jpg') ? { status: 'bare' } : {}));
    const photos = await photosOf({ 'a.jpg': 'a', 'deep/b #1+%.jpg': 'b', 'ß😀.jpg': 'c' });
    const { code, stdout, stderr } = await submit(photos);
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('3 photos uploaded, 0.0 MB\n') });
    expect(stderr).toMatch(/\[3\/3\] /);
    expect(stdout).toMatch(/unmasked\s+│\s+2/);
    expect(stdout).toContain('imagined: plausible, not true, not for identification');
    expect(cloud.uploads.map(({ key }) => key).sort()).toEqual([
      'photos/a.jpg',
      'photos/deep/b #1+%.jpg',
      'photos/ß😀.jpg',
    ]);
    const out = join(folder, 'out');
    expect((await readdir(out)).sort()).toEqual(['manifest', 'metrics', 'report.html', 'unmasked']);
    expect(await readFile(join(out, 'unmasked', 'ß😀.jpg'), 'utf8')).toBe('unmasked photos/ß😀.jpg');
    expect(await readdir(join(out, 'unmasked'))).toHaveLength(2);
    const manifest = JSON.parse(await readFile(join(out, 'manifest/manifest.json'), 'utf8'));
    expect(manifest.counts).toMatchObject({ unmasked: 2, bare: 1 });
    const record = JSON.parse(await readFile(join(out, 'metrics/deep/b #1+%.jpg.json'), 'utf8'));
    expect(record.photo.versionId).toBe(cloud.uploads.find(({ key }) => key.includes('deep'))?.versionId);
  });

  test('what is in the bucket already is not uploaded again; what has changed is, and its new version is waited for', async () => {
    const cloud = standInForTheCloud(account);
    const photos = await photosOf({ 'a.jpg': 'a', 'b.jpg': 'b' });
    await submit(photos);
    await photosOf({ 'b.jpg': 'B' });
    const { code, stdout } = await submit(photos, '--json');
    expect(code).toBe(0);
    expect(cloud.uploads.map(({ key }) => key).sort()).toEqual(['photos/a.jpg', 'photos/b.jpg', 'photos/b.jpg']);
    const told = events(stdout);
    expect(told.filter(({ event }) => event === 'upload')).toEqual(
      expect.arrayContaining([
        { event: 'upload', key: 'photos/a.jpg', bytes: 1, skipped: true },
        { event: 'upload', key: 'photos/b.jpg', bytes: 1, skipped: false },
      ]),
    );
    const changed = told.find(({ event, skipped }) => event === 'photo' && skipped === false);
    expect(changed).toMatchObject({ record: { photo: { versionId: cloud.uploads.at(-1)?.versionId } } });
    expect(told.at(-1)).toMatchObject({ event: 'summary', skipped: 1, waiting: 0, replaced: 0, notUploaded: 0 });
  });

  test('a large photo goes up in parts, and is recognised by the checksum of the whole', async () => {
    const cloud = standInForTheCloud(account);
    const large = randomBytes(20e6);
    const photos = await photosOf({ 'large.tiff': large });
    expect(await submit(photos)).toMatchObject({ code: 0 });
    const [uploaded] = cloud.uploads;
    expect(uploaded?.etag).toMatch(/-3$/);
    const object = { Bucket: account.stack.photosBucket, Key: 'photos/large.tiff' };
    const held = await account.server.s3.send(new GetObjectCommand(object));
    expect(large.equals((await held.Body?.transformToByteArray()) ?? Buffer.of())).toBe(true);
    expect(await submit(photos)).toMatchObject({ code: 0, stderr: expect.stringContaining('1 were there already') });
    expect(cloud.uploads).toHaveLength(1);
  });

  test('300 photos, stopped by Ctrl-C and begun again: each is uploaded once, and all end in the manifest', async () => {
    const cloud = standInForTheCloud(account, (key) => (key === 'photos/13.jpg' ? { status: 'failed' } : {}));
    const names = Array.from({ length: 300 }, (_, number) => `${number}.jpg`);
    const photos = await photosOf(Object.fromEntries(names.map((name) => [name, name])));
    const args = ['submit', photos, '--out', join(folder, 'out'), '--concurrency', '4'];
    const { child, result } = startCli(args, { env: { ...account.env } });
    await expect.poll(() => cloud.uploads.length, { timeout: 60_000 }).toBeGreaterThan(20);
    child.kill('SIGINT');
    expect(await result).toMatchObject({ code: 130, stderr: expect.stringContaining('Stopped; the same command') });
    expect(cloud.uploads.length).toBeLessThan(300);

    const { code, stdout } = await submit(photos);
    expect(code).toBe(1); // one photo has failed
    expect(stdout).toMatch(/unmasked\s+│\s+299/);
    expect(new Set(cloud.uploads.map(({ key }) => key)).size).toBe(300);
    expect(cloud.uploads).toHaveLength(300);
    const manifest = JSON.parse(await readFile(join(folder, 'out/manifest/manifest.json'), 'utf8'));
    expect(manifest.counts).toMatchObject({ unmasked: 299, failed: 1 });
  });

  test('--no-wait ends after the uploads; without news waiting ends, and says what to do', async () => {
    standInForTheCloud(account, () => undefined);
    const photos = await photosOf({ 'a.jpg': 'a' });
    expect(await submit(photos, '--no-wait')).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('The same command without --no-wait waits'),
    });
    expect(await submit(photos, '--give-up-after', '0')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/1 of the photos have no result.*`reconcile` queues/),
    });
  });

  test('when results may not be read, the uploads stop, too', async () => {
    const cloud = standInForTheCloud(account);
    const names = Array.from({ length: 200 }, (_, number) => `${number}.jpg`);
    const photos = await photosOf(Object.fromEntries(names.map((name) => [name, name])));
    account.server.failNext({ request: 'GET', answer: { status: 403, code: 'AccessDenied' } });
    const { code, stderr } = await submit(photos, '--concurrency', '1');
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('error: AWS denies access') });
    expect(cloud.uploads.length).toBeLessThan(200);
  });

  test('references go first, below references/', async () => {
    const cloud = standInForTheCloud(account);
    const photos = await photosOf({ 'a.jpg': 'a' });
    await mkdir(join(folder, 'truth'));
    await writeFile(join(folder, 'truth/a.jpg'), 'truth');
    expect(await submit(photos, '--references', join(folder, 'truth'))).toMatchObject({ code: 0 });
    expect(cloud.uploads.map(({ key }) => key)).toEqual(['references/a.jpg', 'photos/a.jpg']);
  });

  test('what is wrong is one sentence, before anything is uploaded', async () => {
    const cloud = standInForTheCloud(account);
    expect(await submit(join(folder, 'nowhere'))).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^error: There is no file/),
    });
    const photos = await photosOf({ 'a.jpg': 'a' });
    expect(await submit(photos, '--stack', 'Elsewhere')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^error: There is no stack/),
    });
    account.server.failNext({ request: 'HEAD', answer: { status: 403, code: 'AccessDenied' } });
    const denied = await submit(photos);
    expect(denied).toMatchObject({ code: 1, stderr: expect.stringMatching(/error: AWS denies access/) });
    expect(cloud.uploads).toEqual([]);
  });
});
