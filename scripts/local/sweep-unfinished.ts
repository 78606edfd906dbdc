import type { Dirent } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ownPrefix } from './key-path.ts';

/** Writing takes seconds: what is older belongs to a process that was killed, or to a machine that lost its power. */
const abandonedAfterMs = 3_600_000;

/** What `replaceFile` and `withClaim` name their files; the long forms of shortened names, which stay, are `.~` and hexadecimals alone. */
const unfinished = /^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|claim-[0-9a-f]{16})$/;

const isUnfinished = (name: string): boolean =>
  name.startsWith(ownPrefix) && unfinished.test(name.slice(ownPrefix.length));

/** Where a store of results writes; a folder that people put beside them is none of ours. */
const ownFolders = ['unmasked', 'metrics', 'manifest'];

/**
 * Removes the hidden halves of files that killed runs left in a results folder, and answers how many. What cannot be read or removed stays.
 * One listing of each folder: a second for 100,000 results.
 */
export async function sweepUnfinished(results: string, now: Date): Promise<number> {
  const before = now.getTime() - abandonedAfterMs;
  const own = ownFolders.map((name) => sweepBelow(join(results, name), before));
  const swept = await Promise.all([sweepFiles(results, await entriesOf(results), before), ...own]);
  return swept.reduce((sum, count) => sum + count, 0);
}

async function sweepBelow(folder: string, before: number): Promise<number> {
  const entries = await entriesOf(folder);
  let swept = await sweepFiles(folder, entries, before);
  for (const entry of entries) if (entry.isDirectory()) swept += await sweepBelow(join(folder, entry.name), before);
  return swept;
}

async function sweepFiles(folder: string, entries: readonly Dirent[], before: number): Promise<number> {
  let swept = 0;
  for (const entry of entries) {
    if (!entry.isFile() || !isUnfinished(entry.name)) continue;
    const file = join(folder, entry.name);
    const removed = await removeIfOlder(file, before).catch(() => false);
    if (removed) swept++;
  }
  return swept;
}

async function removeIfOlder(file: string, before: number): Promise<boolean> {
  if ((await stat(file)).mtimeMs >= before) return false;
  await rm(file, { force: true });
  return true;
}

const entriesOf = (folder: string): Promise<readonly Dirent[]> =>
  readdir(folder, { withFileTypes: true }).catch(() => []);
