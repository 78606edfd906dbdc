import { mkdir, readFile, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { ObjectSummary, PutCondition, Store } from '#pipeline/ports.ts';
import { errorCode, etagOf, readObject, summariseObject } from './file-object.ts';
import { mayBeShortened, ownPrefix, pathOfKey, shortenPart } from './key-path.ts';
import { isFile, replaceFile } from './replace-file.ts';
import { walkFolder } from './walk-folder.ts';

/**
 * A store in a folder: the object `a/b.png` is the file `a/b.png` (see key-path.ts for the exceptions).
 *
 * - etag: sha256 of the content, computed when asked for, so head and list read the file; there are no versions.
 * - put: the whole object or nothing, flushed to the disk. Conditions are atomic, across processes too: ifAbsent by hard links, ifMatch by
 *   a claim among those who write under a condition. A process killed half-way leaves a hidden `.~...` file, which listings ignore and
 *   `sweepUnfinished` removes.
 * - A folder cannot hold the objects `a` and `a/b`: the second is refused with an error. Where the file system takes `A` and `a` for one
 *   name (macOS, Windows), so does this store.
 *
 * The folder is made on the first put.
 */
export function createFolderStore(folder: string): Store {
  const root = resolve(folder);
  const fileOf = (key: string): string => join(root, ...pathOfKey(key));
  const inTurn = createTurns();

  return {
    async get(key, options) {
      return options?.versionId === undefined ? readObject(fileOf(key)) : undefined;
    },

    async head(key) {
      const found = await summariseObject(fileOf(key));
      return found && { bytes: found.bytes, etag: found.etag };
    },

    async put(key, bytes, options) {
      const file = fileOf(key);
      const etag = etagOf(bytes);
      return inTurn(file, async () => {
        // Most conflicts show before anything is written; the others when the write asks again.
        if (options?.condition && !(await holds(options.condition, file))) return 'conflict';
        try {
          return (await writeObject({ root, key, file }, bytes, options?.condition)) ? { etag } : 'conflict';
        } catch (cause) {
          throw new Error(await putFault(key, file, cause), { cause });
        }
      });
    },

    async *list(prefix) {
      const unreadable = (file: string, cause: unknown): undefined => {
        if (errorCode(cause) !== 'ENOENT') throw new Error(`Could not list ${file}`, { cause });
      };
      const enters = (path: string): boolean => path.startsWith(prefix) || prefix.startsWith(path);
      for await (const found of inBatches(walkFolder(root, { nameOf: longName, enters, unreadable }))) {
        const matching = found.filter(({ path }) => path.startsWith(prefix));
        yield* (await Promise.all(matching.map(summarise))).filter((summary) => summary !== undefined);
      }
    },

    async delete(key) {
      const file = fileOf(key);
      await inTurn(file, () => removeObject(root, key, file));
    },
  };
}

/** Hashing is disk and thread-pool work: this many files at a time keep both busy. */
const listBatch = 32;

async function* inBatches<T>(items: AsyncIterable<T>): AsyncGenerator<readonly T[]> {
  let batch: T[] = [];
  for await (const item of items) {
    batch.push(item);
    if (batch.length === listBatch) {
      yield batch;
      batch = [];
    }
  }
  yield batch;
}

async function summarise({
  path,
  file,
}: {
  readonly path: string;
  readonly file: string;
}): Promise<ObjectSummary | undefined> {
  const found = await summariseObject(file);
  return found && { key: path, ...found };
}

async function holds(condition: PutCondition, file: string): Promise<boolean> {
  if ('ifAbsent' in condition) return !(await isFile(file));
  return (await summariseObject(file))?.etag === condition.ifMatch;
}

/** A delete in another turn may remove a folder that just became empty, between making it and writing into it. */
const maxWriteAttempts = 10;

type Place = { readonly root: string; readonly key: string; readonly file: string };

async function writeObject({ root, key, file }: Place, bytes: Uint8Array, condition?: PutCondition): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    try {
      await mkdir(dirname(file), { recursive: true });
      await rememberLongNames(root, key);
      if (condition === undefined) return await replaceFile(file, bytes);
      return await replaceFile(file, bytes, 'ifAbsent' in condition ? 'absent' : () => holds(condition, file));
    } catch (cause) {
      if (errorCode(cause) !== 'ENOENT' || attempt === maxWriteAttempts) throw cause;
    }
  }
}

async function putFault(key: string, file: string, cause: unknown): Promise<string> {
  const name = JSON.stringify(key);
  const isFolder = await stat(file).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (isFolder) return `Could not write ${name}: there are objects below ${name}/, and a folder cannot hold both`;
  if (['ENOTDIR', 'EEXIST'].includes(errorCode(cause))) {
    return `Could not write ${name}: a part of its path is itself an object, and a folder cannot hold both`;
  }
  return `Could not write ${name} to ${file}`;
}

async function removeObject(root: string, key: string, file: string): Promise<void> {
  if (!(await isFile(file))) return;
  await rm(file, { force: true });
  const name = key.slice(key.lastIndexOf('/') + 1);
  if (shortenPart(name) !== name) await rm(longNameFile(dirname(file), shortenPart(name)), { force: true });
  await removeEmptyFolders(dirname(file), root);
}

/** A bucket has no empty folders, and the key `a` is free again when nothing is left below `a/`. */
async function removeEmptyFolders(folder: string, root: string): Promise<void> {
  if (folder === root) return;
  const removed = await rmdir(folder).then(
    () => true,
    () => false,
  );
  if (removed) await removeEmptyFolders(dirname(folder), root);
}

/** The long form of a shortened name lies beside it, so that a listing can tell the key. Written before the object. */
async function rememberLongNames(root: string, key: string): Promise<void> {
  let folder = root;
  for (const part of key.split('/')) {
    const name = shortenPart(part);
    if (name !== part && (await longName({ name, folder })) !== part) {
      await replaceFile(longNameFile(folder, name), Buffer.from(part));
    }
    folder = join(folder, name);
  }
}

async function longName({
  name,
  folder,
}: {
  readonly name: string;
  readonly folder: string;
}): Promise<string | undefined> {
  if (name.startsWith(ownPrefix)) return undefined;
  if (!mayBeShortened(name)) return name;
  const part = await readFile(longNameFile(folder, name), 'utf8').catch(() => name);
  return shortenPart(part) === name ? part : name;
}

function longNameFile(folder: string, shortened: string): string {
  return join(folder, `${ownPrefix}${shortened.slice(shortened.lastIndexOf('~') + 1)}`);
}

/** Runs tasks of one key one after the other, those of different keys side by side. */
function createTurns(): <T>(key: string, task: () => Promise<T>) => Promise<T> {
  const last = new Map<string, Promise<unknown>>();
  return async (key, task) => {
    const turn = (last.get(key) ?? Promise.resolve()).then(task, task);
    last.set(key, turn);
    try {
      return await turn;
    } finally {
      if (last.get(key) === turn) last.delete(key);
    }
  };
}
