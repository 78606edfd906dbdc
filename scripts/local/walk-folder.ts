import type { Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { compareKeys } from './key-order.ts';

/** A regular file below a folder; `path` is its names joined by '/'. */
export type FoundFile = { readonly path: string; readonly file: string };

export type WalkOptions = {
  /** The path that an entry shall have, or undefined to leave it out. `path` is of the folder it is in, '' or ending in '/'. */
  readonly nameOf: (entry: {
    readonly name: string;
    readonly folder: string;
    readonly path: string;
  }) => Promise<string | undefined>;
  /** Whether to read a folder at all; its path ends in '/'. */
  readonly enters: (path: string) => boolean;
  /** Told of every folder or link that could not be read; the walk goes on. */
  readonly unreadable: (file: string, cause: unknown) => undefined;
};

/**
 * Every regular file below a folder in key order, one folder in memory at a time; types come with the names, so files are not touched.
 * Links to files and folders are followed, but a folder is never entered inside itself. Pipes, sockets and devices are left out.
 */
export async function* walkFolder(folder: string, options: WalkOptions): AsyncGenerator<FoundFile> {
  const realFolder = await realpath(folder).catch((cause) => options.unreadable(folder, cause));
  if (realFolder !== undefined) yield* walk({ folder, path: '', realFolders: [realFolder] }, options);
}

type Place = {
  readonly folder: string;
  readonly path: string;
  /** Without links: this folder last, those it is in before it. */
  readonly realFolders: readonly string[];
};

async function* walk({ folder, path, realFolders }: Place, options: WalkOptions): AsyncGenerator<FoundFile> {
  for (const entry of await entriesOf({ folder, path, realFolders }, options)) {
    if (entry.realFolder === undefined) {
      yield { path: entry.path, file: entry.file };
    } else if (options.enters(entry.path)) {
      yield* walk({ folder: entry.file, path: entry.path, realFolders: [...realFolders, entry.realFolder] }, options);
    }
  }
}

type Entry = FoundFile & { readonly realFolder?: string };

async function entriesOf(place: Place, options: WalkOptions): Promise<readonly Entry[]> {
  try {
    const listed = await readdir(place.folder, { withFileTypes: true });
    const entries: Entry[] = [];
    for (const dirent of listed) {
      const name = await options.nameOf({ name: dirent.name, folder: place.folder, path: place.path });
      const entry = name === undefined ? undefined : await entryOf(dirent, name, place, options);
      if (entry !== undefined) entries.push(entry);
    }
    return entries.sort((a, b) => compareKeys(a.path, b.path));
  } catch (cause) {
    options.unreadable(place.folder, cause);
    return [];
  }
}

/** A folder's path ends in '/', which sorts `a.b` before `a/c` as a LIST does. */
async function entryOf(dirent: Dirent, name: string, place: Place, options: WalkOptions): Promise<Entry | undefined> {
  const file = join(place.folder, dirent.name);
  const path = place.path + name;
  if (dirent.isFile()) return { path, file };
  if (dirent.isDirectory())
    return { path: `${path}/`, file, realFolder: join(place.realFolders.at(-1) ?? '', dirent.name) };
  if (!dirent.isSymbolicLink()) return undefined;
  try {
    const target = await stat(file);
    if (target.isFile()) return { path, file };
    if (!target.isDirectory()) return undefined;
    const realFolder = await realpath(file);
    return place.realFolders.includes(realFolder) ? undefined : { path: `${path}/`, file, realFolder };
  } catch (cause) {
    options.unreadable(file, cause);
    return undefined;
  }
}
