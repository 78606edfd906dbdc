import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createFolderStore } from '#local/folder-store.ts';
import { sweepUnfinished } from '#local/sweep-unfinished.ts';

const now = new Date('2026-11-20T12:00:00Z');
const minutesAgo = (minutes: number) => new Date(now.getTime() - minutes * 60_000);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'unmask-sweep-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function leave(path: string, minutes: number): Promise<void> {
  const file = join(folder, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, 'half');
  await utimes(file, minutesAgo(minutes), minutesAgo(minutes));
}

const files = async () =>
  (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map(({ name }) => name);

test('what a killed run left half written goes after an hour', async () => {
  await leave(`.~${randomUUID()}`, 61);
  await leave(`unmasked/a/b/.~${randomUUID()}`, 61);
  await leave(`metrics/.~claim-0123456789abcdef`, 61);
  expect(await sweepUnfinished(folder, now)).toBe(3);
  expect(await files()).toEqual([]);
});

test('what another run may still be writing stays', async () => {
  await leave(`unmasked/.~${randomUUID()}`, 59);
  expect(await sweepUnfinished(folder, now)).toBe(0);
  expect(await files()).toHaveLength(1);
});

test('results stay, the long names of shortened ones too', async () => {
  const key = `unmasked/${'a'.repeat(300)}.jpg`;
  const store = createFolderStore(folder);
  await store.put(key, Buffer.from('photo'));
  await sweepUnfinished(folder, new Date(Date.now() + 24 * 3_600_000));
  for await (const found of store.list('')) expect(found.key).toBe(key);
  expect(await files()).toHaveLength(2);
});

test('a folder that is not one of results is left alone', async () => {
  const name = `.~${randomUUID()}`;
  await leave(`holiday/${name}`, 600);
  expect(await sweepUnfinished(folder, now)).toBe(0);
  expect(await files()).toEqual([name]);
});

test('a results folder that is not there yet is no error', async () => {
  expect(await sweepUnfinished(join(folder, 'new'), now)).toBe(0);
});
