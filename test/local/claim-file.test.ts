import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { withClaim } from '#local/claim-file.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'unmask-claim-'));
});
afterEach(() => rm(folder, { recursive: true }));

test('tasks under one claim never overlap', async () => {
  const claim = join(folder, 'claim');
  let running = 0;
  let most = 0;
  const task = async (): Promise<void> => {
    most = Math.max(most, ++running);
    await readdir(folder);
    running--;
  };
  await Promise.all(Array.from({ length: 10 }, () => withClaim(claim, task)));
  expect(most).toBe(1);
});

test('a claim is given back, also when the task fails', async () => {
  await expect(withClaim(join(folder, 'claim'), () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await readdir(folder)).toEqual([]);
});

test('a claim that a killed process left is taken away in the end', async () => {
  await writeFile(join(folder, 'claim'), '');
  expect(await withClaim(join(folder, 'claim'), async () => 'done', 20)).toBe('done');
});

test('a claim in a folder that is not there is an error', async () => {
  await expect(withClaim(join(folder, 'none', 'claim'), async () => 'done')).rejects.toThrow('ENOENT');
});
