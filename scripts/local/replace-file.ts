import { createHash, randomUUID } from 'node:crypto';
import { link, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { withClaim } from './claim-file.ts';
import { errorCode } from './file-object.ts';
import { ownPrefix } from './key-path.ts';

/** `absent`: only where there is no file yet. A function: only if it says so, asked when nothing but the renaming is left to do. */
export type ReplaceCondition = 'absent' | (() => Promise<boolean>);

/**
 * Writes a whole file or nothing: into a hidden file beside it, flushed to the disk, then renamed over it, so that nobody sees a part and a
 * power cut leaves the old or the new. False when the condition does not hold; of several processes that write under a condition, exactly
 * those whose condition held at their turn have written. The folder must be there.
 */
export async function replaceFile(file: string, bytes: Uint8Array, condition?: ReplaceCondition): Promise<boolean> {
  const unfinished = join(dirname(file), `${ownPrefix}${randomUUID()}`);
  try {
    await writeFile(unfinished, bytes, { flag: 'wx', flush: true });
    if (condition === undefined) {
      await rename(unfinished, file);
      return true;
    }
    if (condition !== 'absent') return await renameIf(condition, unfinished, file);
    return await linkIfAbsent(unfinished, file);
  } finally {
    await rm(unfinished, { force: true });
  }
}

export async function isFile(file: string): Promise<boolean> {
  return stat(file).then(
    (found) => found.isFile(),
    () => false,
  );
}

async function renameIf(holds: () => Promise<boolean>, unfinished: string, file: string): Promise<boolean> {
  const name = createHash('sha256').update(basename(file)).digest('hex').slice(0, 16);
  return withClaim(join(dirname(file), `${ownPrefix}claim-${name}`), async () => {
    if (!(await holds())) return false;
    await rename(unfinished, file);
    return true;
  });
}

/** A hard link cannot replace a file: the file system decides, whoever else is writing. */
async function linkIfAbsent(unfinished: string, file: string): Promise<boolean> {
  try {
    await link(unfinished, file);
    return true;
  } catch (cause) {
    if (errorCode(cause) === 'EEXIST' && (await isFile(file))) return false;
    if (!withoutHardLinks.has(errorCode(cause))) throw cause;
    return renameIf(async () => !(await isFile(file)), unfinished, file);
  }
}

/** What exFAT and some network disks answer. */
const withoutHardLinks = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);
