import { lstat, realpath, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { Store } from '#pipeline/ports.ts';
import { errorCode, readObject, summariseObject } from './file-object.ts';
import { compareKeys } from './key-order.ts';
import { keyFault } from './key-path.ts';
import { walkFolder } from './walk-folder.ts';

/** A file to be treated as if it had been uploaded under `key`. `file` is absolute. */
export type PhotoInput = { readonly key: string; readonly file: string };

/** Something below a given folder that could not be read; everything else goes on. */
export type UnreadableInput = { readonly file: string; readonly message: string };

export type PhotoInputs =
  | { readonly inputs: readonly PhotoInput[]; readonly unreadable: readonly UnreadableInput[] }
  /** Wrong usage, in a sentence: something given is not there, or two inputs would become the same photo. Nothing has been done. */
  | { readonly refused: string };

export type PhotoInputOptions = {
  /** Files and folders that are no inputs even when they lie inside a given folder: the results of an earlier run. Default: none. */
  readonly except?: readonly string[];
  /** Default: this process's. macOS and Windows take `A.jpg` and `a.jpg` for one name, so there they collide. */
  readonly platform?: NodeJS.Platform;
};

/**
 * What the command line gives as photos, in key order. `photos/<path>`: the path below the folder given, or the file's name. Every regular
 * file counts, whatever is in it, as it would in the bucket; below folders, names that start with a dot do not. Links to files and folders
 * are followed, never in circles. A file that is reached twice counts once, under the first key.
 *
 * Only folders are read: 100,000 photos in 100 folders take two seconds and 120 MB.
 */
export async function findPhotoInputs(paths: readonly string[], options: PhotoInputOptions = {}): Promise<PhotoInputs> {
  const except = new Set((options.except ?? []).map((path) => resolve(path)));
  const byFile = new Map<string, PhotoInput>();
  const unreadable: UnreadableInput[] = [];

  for (const path of new Set(paths.map((given) => resolve(given)))) {
    const kind = await kindOf(path);
    if ('refused' in kind) return kind;
    if (kind.is === 'file') {
      const input = { key: `photos/${basename(path)}`, file: path };
      const fault = keyFault(input.key);
      if (fault !== undefined) return { refused: `${path} cannot be an input: ${fault}` };
      if (!byFile.has(path)) byFile.set(path, input);
      continue;
    }
    for await (const found of photosBelow(path, except, unreadable)) {
      if (!byFile.has(found.file)) byFile.set(found.file, found);
    }
  }

  const inputs = await withoutDoubles([...byFile.values()].sort((a, b) => compareKeys(a.key, b.key)));
  const collision = collisionIn(inputs, options.platform ?? process.platform);
  return collision === undefined ? { inputs, unreadable } : { refused: collision };
}

/**
 * Reads inputs where they are, as a store: get, head and list as in a folder store (etag: sha256 of the content; head and list read the
 * file, 1 MiB at a time), put and delete refused. A file that has gone since is not there; one that cannot be read throws.
 */
export function createInputStore(inputs: readonly PhotoInput[]): Store {
  const sorted = [...inputs].sort((a, b) => compareKeys(a.key, b.key));
  const files = new Map(sorted.map(({ key, file }) => [key, file]));
  const refuse = (key: string): never => {
    throw new Error(`Expected inputs to be only read but received a write to ${JSON.stringify(key)}`);
  };

  return {
    async get(key, options) {
      const file = files.get(key);
      return file === undefined || options?.versionId !== undefined ? undefined : readObject(file);
    },

    async head(key) {
      const file = files.get(key);
      const found = file === undefined ? undefined : await summariseObject(file);
      return found && { bytes: found.bytes, etag: found.etag };
    },

    async *list(prefix) {
      for (const { key, file } of sorted) {
        const found = key.startsWith(prefix) ? await summariseObject(file) : undefined;
        if (found !== undefined) yield { key, ...found };
      }
    },

    put: async (key) => refuse(key),
    delete: async (key) => refuse(key),
  };
}

type Kind = { readonly is: 'file' | 'folder' } | { readonly refused: string };

async function kindOf(path: string): Promise<Kind> {
  try {
    const found = await stat(path);
    if (found.isFile()) return { is: 'file' };
    if (found.isDirectory()) return { is: 'folder' };
    return { refused: `Expected files and folders as photos but ${path} is neither` };
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return { refused: `There is no file or folder ${path}` };
    return { refused: `Could not read ${path}: ${sentenceOf(cause)}` };
  }
}

async function* photosBelow(
  folder: string,
  except: ReadonlySet<string>,
  unreadable: UnreadableInput[],
): AsyncGenerator<PhotoInput> {
  const files = walkFolder(folder, {
    nameOf: async ({ name, folder }) => (name.startsWith('.') || except.has(join(folder, name)) ? undefined : name),
    enters: () => true,
    unreadable: (file, cause) => {
      unreadable.push({ file, message: sentenceOf(cause) });
      return undefined;
    },
  });
  for await (const { path, file } of files) {
    const key = `photos/${path}`;
    const fault = keyFault(key) ?? ((await isMangled(path, file)) ? 'its name is not valid UTF-8' : undefined);
    if (fault === undefined) yield { key, file };
    else unreadable.push({ file, message: fault });
  }
}

/** Node replaces bytes that are no UTF-8, and then there is no file of that name. */
async function isMangled(path: string, file: string): Promise<boolean> {
  return path.includes('\uFFFD') && !(await exists(file));
}

async function exists(file: string): Promise<boolean> {
  return lstat(file).then(
    () => true,
    () => false,
  );
}

function sentenceOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

/** The same file by two ways (a link to a folder and the folder) under the same key is one input. */
async function withoutDoubles(sorted: readonly PhotoInput[]): Promise<readonly PhotoInput[]> {
  const kept: PhotoInput[] = [];
  for (const input of sorted) {
    const last = kept.at(-1);
    if (last?.key === input.key && (await realpath(last.file)) === (await realpath(input.file))) continue;
    kept.push(input);
  }
  return kept;
}

/**
 * Results lie in `unmasked/<path>` and `metrics/<path>.json`, so paths collide when they are equal, and when one, or its record, is a
 * folder of the other.
 */
function collisionIn(inputs: readonly PhotoInput[], platform: NodeJS.Platform): string | undefined {
  const taken = new Map<string, PhotoInput>();
  for (const input of inputs) {
    const name = nameOnDisk(input.key, platform);
    const other = taken.get(name);
    if (other !== undefined) {
      return `${other.file} and ${input.file} would both become ${input.key}: rename one, or give a folder above both`;
    }
    taken.set(name, input);
  }
  for (const input of inputs) {
    for (const folder of foldersOf(nameOnDisk(input.key, platform))) {
      const other =
        taken.get(folder) ?? (folder.endsWith('.json') ? taken.get(folder.slice(0, -'.json'.length)) : undefined);
      if (other !== undefined) {
        return `The results of ${other.file} and of ${input.file} would need a file and a folder of the same name: rename one`;
      }
    }
  }
  return undefined;
}

function nameOnDisk(key: string, platform: NodeJS.Platform): string {
  return platform === 'darwin' || platform === 'win32' ? key.normalize('NFC').toLowerCase() : key;
}

function foldersOf(key: string): readonly string[] {
  const parts = key.split('/');
  return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join('/'));
}
