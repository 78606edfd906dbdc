import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { watch } from 'chokidar';
import { walkFolder } from './walk-folder.ts';

export type ArrivalOptions = {
  /** A folder inside that is not watched. */
  readonly except: string;
  /** Ends the watch. */
  readonly signal: AbortSignal;
  /** Between two walks through the folder. Default: ten seconds. */
  readonly sweepMilliseconds?: number;
};

/** A file has arrived when it has not changed for so long: copying takes time. */
const arrivalMilliseconds = 500;

/**
 * Files that lie in the folder, or are dropped into it or changed, in lots, each lot sorted; ends with the signal. Names that start with a
 * dot are left out. The system's events are quick but can be lost, while the watch begins and in folders that are new, so the folder is
 * walked through every now and then: nothing that lies there is forgotten.
 */
export async function* arrivals(
  folder: string,
  { except, signal, sweepMilliseconds = 10_000 }: ArrivalOptions,
): AsyncGenerator<readonly string[]> {
  const ending = new AbortController();
  const ended = AbortSignal.any([signal, ending.signal]);
  const taken = new Map<string, string>();
  const arrived = new Map<string, string>();
  let wake = () => {};
  const arrive = (file: string, stats: Stats | undefined) => {
    const identity = stats ? `${stats.size} ${stats.mtimeMs}` : '';
    if (taken.get(file) === identity) return;
    arrived.set(file, identity);
    wake();
  };

  const watcher = watch(folder, {
    ignored: (path) =>
      path === except ||
      relative(folder, path)
        .split(sep)
        .some((name) => name.startsWith('.')),
    awaitWriteFinish: { stabilityThreshold: arrivalMilliseconds, pollInterval: 100 },
    alwaysStat: true,
  });
  watcher.on('add', arrive).on('change', arrive);
  const sweep = async () => {
    const files = walkFolder(folder, {
      nameOf: async ({ name, folder }) => (name.startsWith('.') || join(folder, name) === except ? undefined : name),
      enters: () => true,
      unreadable: () => undefined, // The watcher says nothing of it either: it may be gone by now.
    });
    for await (const { file } of files) {
      if (ended.aborted) return;
      const stats = await stat(file).catch(() => undefined);
      if (stats && Date.now() - stats.ctimeMs > 2 * arrivalMilliseconds) arrive(file, stats);
    }
  };
  const sweepOnAndOn = async () => {
    while (!ended.aborted) {
      await pause(sweepMilliseconds, undefined, { signal: ended }).catch(() => {}); // the signal ends the pause
      await sweep();
    }
  };
  const sweeping = sweepOnAndOn();
  signal.addEventListener('abort', () => wake());

  try {
    while (!signal.aborted) {
      if (arrived.size === 0) await new Promise<void>((resolve) => (wake = resolve));
      const lot = [...arrived.keys()].sort();
      for (const [file, identity] of arrived) taken.set(file, identity);
      arrived.clear();
      if (lot.length > 0 && !signal.aborted) yield lot;
    }
  } finally {
    ending.abort(); // Whoever takes no more lots, because of an error say, is not swept for.
    await Promise.all([watcher.close(), sweeping]);
  }
}
