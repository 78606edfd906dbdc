import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCli, temporaryFolder } from '../cli/cli.ts';
import { standInForTheCloud } from './cloud-stand-in.ts';
import { type InProcessAccount, openInProcessAccount } from './in-process-account.ts';
import { resultsOf, upload } from './stored-photos.ts';

let account: InProcessAccount;
let out: string;
beforeAll(async () => {
  account = await openInProcessAccount();
  out = join(await temporaryFolder(), 'out');
}, 60_000);
afterAll(() => account.close());

const download = (...args: readonly string[]) =>
  runCli(['download', '--out', out, ...args], { env: { ...account.env } });

describe('download', { timeout: 120_000 }, () => {
  test('nothing there yet is no error', async () => {
    expect(await download()).toMatchObject({
      code: 0,
      stdout: '',
      stderr: expect.stringMatching(/no results .* yet: `status`/),
    });
  });

  test('results come down in the layout of a local run', async () => {
    standInForTheCloud(account, (key) => (key.includes('heic') ? { status: 'rejected' } : {}));
    for (const path of ['anna/a b.jpg', 'anna/ß😀+%.jpg', 'bert.jpg', 'c.heic'])
      await upload(account, `photos/${path}`);
    await expect.poll(() => resultsOf(account).head('metrics/c.heic.json'), { timeout: 20_000 }).toBeDefined();
    const { code, stdout, stderr } = await download('--prefix', 'anna/');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/unmasked\s+│\s+2/);
    expect((await readdir(join(out, 'metrics/anna'))).sort()).toEqual(['a b.jpg.json', 'ß😀+%.jpg.json']);
    expect(await download()).toMatchObject({ code: 0 });
    expect((await readdir(out)).sort()).toEqual(['manifest', 'metrics', 'report.html', 'unmasked']);
    expect(await readFile(join(out, 'unmasked/bert.jpg'), 'utf8')).toBe('unmasked photos/bert.jpg');
    const manifest = JSON.parse(await readFile(join(out, 'manifest/manifest.json'), 'utf8'));
    expect(manifest.counts).toMatchObject({ unmasked: 3, rejected: 1 });
  });

  test('only what is missing or has changed is fetched again', async () => {
    await writeFile(join(out, 'unmasked/bert.jpg'), 'damaged');
    const { code, stdout } = await download('--json', '--no-report');
    expect(code).toBe(0);
    const told = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const again = told.filter(({ event, skipped }) => event === 'photo' && !skipped);
    expect(again.map(({ record }) => record.photo.key)).toEqual(['photos/bert.jpg']);
    expect(told.at(-1)).toMatchObject({ event: 'summary', skipped: 3, bytes: 'unmasked photos/bert.jpg'.length });
    expect(await readFile(join(out, 'unmasked/bert.jpg'), 'utf8')).toBe('unmasked photos/bert.jpg');
  });

  test('a key that would leave the folder is left out, and said', async () => {
    await resultsOf(account).put('metrics/../../escaped.json', new TextEncoder().encode('{}'));
    const { code, stderr } = await download('--no-report');
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/warning: metrics\/\.\.\/\.\.\/escaped\.json was left out/),
    });
    await resultsOf(account).delete('metrics/../../escaped.json');
  });
});
