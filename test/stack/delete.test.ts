import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createObjectVersions } from '#aws/object-versions.ts';
import { readRecords } from '#pipeline/catalogue.ts';
import { parseManifest } from '#pipeline/manifest.ts';
import { maxKeyBytes, metricsKey } from '#pipeline/photo.ts';
import { lineFrom, runCli, startCli, temporaryFolder } from '../cli/cli.ts';
import { type InProcessAccount, openInProcessAccount } from './in-process-account.ts';
import { record, recordFor, resultsOf, upload } from './stored-photos.ts';

let account: InProcessAccount;
let cache: string;
beforeEach(async () => {
  account = await openInProcessAccount();
  cache = await temporaryFolder();
}, 60_000);
afterEach(() => account.close());

const environment = () => ({ ...account.env, XDG_CACHE_HOME: cache });
const remove = (...args: readonly string[]) => runCli(['delete', ...args], { env: environment() });

/** Two versions of Anna, a reference, results and two lines of the manifest; and a bystander whose name begins alike. */
async function storeAnna(): Promise<void> {
  const first = await upload(account, 'photos/anna.jpg', 'first');
  await record(account, recordFor('photos/anna.jpg', first));
  const second = await upload(account, 'photos/anna.jpg', 'second');
  await upload(account, 'references/anna.jpg');
  await record(account, recordFor('photos/anna.jpg', second, { status: 'unmasked' }));
  const bystander = await upload(account, 'photos/anna.jpg.bak');
  await record(account, recordFor('photos/anna.jpg.bak', bystander, { status: 'unmasked' }));
}

/** Every key that either bucket keeps a version of. */
async function keysLeft(): Promise<readonly string[]> {
  const keys: string[] = [];
  for (const bucket of [account.stack.photosBucket, account.stack.resultsBucket]) {
    const versions = createObjectVersions({ client: account.server.s3, bucket });
    for await (const { key } of versions.list('')) if (!key.startsWith('manifest/')) keys.push(key);
  }
  return keys;
}

const bystanders = ['photos/anna.jpg.bak', 'metrics/anna.jpg.bak.json', 'unmasked/anna.jpg.bak'];

async function keysOfManifest(): Promise<readonly string[]> {
  const results = resultsOf(account);
  const stored = await results.get('manifest/manifest.json');
  if (!stored) return [];
  return (await readRecords(parseManifest(stored.bytes), results)).map(({ photo }) => photo.key);
}

describe('delete', { timeout: 240_000 }, () => {
  test('everything of a photo goes, every version, and is told; a photo whose name begins alike stays', async () => {
    await storeAnna();
    await mkdir(join(cache, 'unmask', 'segments'), { recursive: true });
    await writeFile(join(cache, 'unmask', 'segments', 'one.ndjson.gz'), '');

    expect(await remove('anna.jpg', '--yes')).toEqual({
      code: 0,
      stdout: [
        'deleted  anna.jpg: 2 photo versions, 1 reference version, 1 unmasked photo, 1 record',
        'Deleted 1 photo for good: 2 photo versions, 1 reference version, 1 unmasked photo, 1 record, 2 lines of the manifest.',
        'Not reached: access logs, which name keys until they expire, and copies that people downloaded.',
        '',
      ].join('\n'),
      stderr: '',
    });
    expect(await keysLeft()).toEqual(bystanders);
    expect(await keysOfManifest()).toEqual(['photos/anna.jpg.bak']);
    expect(await readdir(join(cache, 'unmask'))).toEqual([]);
    const { stdout } = await runCli(
      ['query', 'SELECT path FROM versions', '--results', 's3://unmask-results', '--csv'],
      {
        env: environment(),
      },
    );
    expect(stdout).toBe('path\nanna.jpg.bak\n');

    expect(await remove('photos/anna.jpg', '--yes')).toEqual({
      code: 1,
      stdout: '',
      stderr: 'Found nothing of anna.jpg: deleted before, or another key. `query` shows the keys.\n',
    });
  });

  test('--dry-run lists what it would be; without --yes nobody is asked through a pipe; nothing is changed', async () => {
    await storeAnna();
    const before = await keysLeft();
    expect(await remove('anna.jpg', 'nobody.jpg', '--dry-run')).toEqual({
      code: 0,
      stdout: [
        'would delete  anna.jpg: 2 photo versions, 1 reference version, 1 unmasked photo, 1 record',
        '1 photo would be deleted, with the lines of the manifest. Nothing was changed.',
        '',
      ].join('\n'),
      stderr: '',
    });
    expect(await remove('anna.jpg')).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('--yes') });
    expect(await keysLeft()).toEqual(before);
    expect(await keysOfManifest()).toHaveLength(2);
  });

  test('patterns and folders are names like any other, so they are refused where nothing is called so', async () => {
    await storeAnna();
    const before = await keysLeft();
    for (const key of ['anna*', 'anna.jp?', 'people/'])
      expect(await remove('anna.jpg', key, '--yes')).toMatchObject({
        code: 2,
        stdout: '',
        stderr: expect.stringContaining(`Found no photo ${key}. Keys are taken as they are written; --prefix`),
      });
    expect(await keysLeft()).toEqual(before);
    await upload(account, 'photos/what?*.jpg');
    expect(await remove('what?*.jpg', '--yes')).toMatchObject({ code: 0 });
    expect(await keysLeft()).toEqual(before);
  });

  test('--prefix takes all that begin so: hidden by a delete marker, expired but for the record, and very long names', async () => {
    await storeAnna();
    const long = `photos/anna/${'x'.repeat(maxKeyBytes - 'photos/anna/.jpg'.length)}.jpg`;
    await record(
      account,
      recordFor('photos/anna/expired.jpg', 'expired'),
      recordFor(long, await upload(account, long), { status: 'unmasked' }),
    );
    await upload(account, 'photos/anna/hidden.jpg');
    const plainDelete = { Bucket: account.stack.photosBucket, Key: 'photos/anna/hidden.jpg' };
    await account.server.s3.send(new DeleteObjectCommand(plainDelete));

    const { code, stdout, stderr } = await remove('--prefix', 'anna/', '--yes', '--json');

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(events.at(-1)).toEqual({
      event: 'summary',
      photos: 3,
      objects: { 'photo version': 3, 'reference version': 0, 'unmasked photo': 1, record: 2 },
      lines: 2,
      unknown: [],
      left: [],
      inWork: [],
    });
    expect(events).toContainEqual(
      expect.objectContaining({ event: 'deleted', bucket: 'unmask-results', key: metricsKey(long), versionId: 'null' }),
    );
    expect((await keysLeft()).filter((key) => key.includes('/anna/'))).toEqual([]);
    expect(await keysOfManifest()).toEqual(['photos/anna.jpg', 'photos/anna.jpg.bak']);
    expect(await remove('--prefix', 'anna/', '--yes')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^Found nothing of anna\//),
    });
  });

  test('a photo without a result yet may be in work, and that is said', async () => {
    await upload(account, 'photos/new.jpg');
    const { code, stderr } = await remove('new.jpg', '--yes');
    expect(code).toBe(0);
    expect(stderr).toMatch(/^No result was there yet of new\.jpg\. .*run the same command again in some minutes\.\n$/);
  });

  test('Ctrl-C, or a refusal, says what is deleted so far; the same command again does the rest', async () => {
    const keys = Array.from({ length: 60 }, (_, index) => `photos/many/${String(index).padStart(2, '0')}.jpg`);
    await record(account, ...(await Promise.all(keys.map(async (key) => recordFor(key, await upload(account, key))))));
    const { child, result } = startCli(['delete', '--prefix', 'many/', '--yes'], { env: environment() });
    await lineFrom(child, 'stdout', (line) => line.startsWith('deleted'));
    child.kill('SIGINT');
    const stopped = await result;
    expect(stopped.code).toBe(130);
    expect(stopped.stderr).toContain('The same command again deletes the rest, and the lines of the manifest.');
    const told = stopped.stdout
      .trim()
      .split('\n')
      .filter((line) => line.startsWith('deleted'));
    expect(new Set((await keysLeft()).map((key) => key.replace(/^\w+\/|\.json$/g, ''))).size).toBe(60 - told.length);
    expect(await keysOfManifest()).toHaveLength(60);

    account.server.failNext({ request: 'DELETE', answer: { status: 403, code: 'AccessDenied' } });
    expect(await remove('--prefix', 'many/', '--yes')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^error: AWS denies access: AccessDenied\. Give/),
    });
    expect(await remove('--prefix', 'many/', '--yes')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('60 lines of the manifest.'),
    });
    expect({ left: await keysLeft(), lines: await keysOfManifest() }).toEqual({ left: [], lines: [] });
  });

  test('what is wrong is one sentence with what to do', async () => {
    expect(await remove()).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/Expected either keys or --prefix/),
    });
    expect(await remove('a.jpg', '--prefix', 'a')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/Expected either keys or --prefix/),
    });
    expect(await remove('--prefix', '', '--yes')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/not empty/),
    });
    expect(await remove('--prefix', 'photos/', '--yes')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/not empty/),
    });
    expect(await remove('x'.repeat(1020), '--yes')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/at most 1024 bytes/),
    });
    expect(await remove('a.jpg', '--yes', '--stack', 'Elsewhere')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/There is no stack/),
    });
  });
});
