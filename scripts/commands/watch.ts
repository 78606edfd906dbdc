import { stat } from 'node:fs/promises';
import { relative, sep } from 'node:path';
import { watch as watchFolder } from 'chokidar';
import type { DenoiseMode } from '#pipeline/processing.ts';
import { UsageError } from './exit-codes.ts';
import { listenForInterrupt } from './interrupt.ts';
import { createLocalRun } from './local-run.ts';
import { openTools } from './open-tools.ts';
import { fromShell } from './paths.ts';
import { printable } from './printable.ts';
import { createProgress } from './progress.ts';

export type WatchOptions = {
  readonly out: string;
  readonly model: string;
  readonly denoise: DenoiseMode;
  readonly json?: boolean;
};

/** A file has arrived when its size has not changed for so long: copying takes time. */
const arrivalMilliseconds = 500;

/** `unmask watch`: photos that lie in the folder, or are dropped into it or changed, are processed until Ctrl-C, as by the bucket. */
export async function watch(dir: string, { out: given, model, denoise, json = false }: WatchOptions): Promise<void> {
  const folder = fromShell(dir);
  const out = fromShell(given);
  if (!(await isFolder(folder))) throw new UsageError(`Expected a folder to watch but received ${printable(dir)}.`);
  const tools = await openTools({ model, denoise, concurrency: 1 });
  const interrupt = listenForInterrupt();
  const { settled: onSettled } = createProgress({ total: 0, json, follow: true });
  const local = createLocalRun({ out, tools, interrupt, onSettled });

  const arrived = new Set<string>();
  let wake = () => {};
  const arrive = (file: string) => {
    arrived.add(file);
    wake();
  };
  const watcher = watchFolder(folder, {
    ignored: (path) =>
      path === out ||
      relative(folder, path)
        .split(sep)
        .some((name) => name.startsWith('.')),
    awaitWriteFinish: { stabilityThreshold: arrivalMilliseconds, pollInterval: 100 },
  });
  watcher.on('add', arrive).on('change', arrive);
  interrupt.addEventListener('abort', () => wake());
  console.error(`Watching ${printable(folder)}; results go to ${printable(out)}. Ctrl-C ends.`);

  while (!interrupt.aborted) {
    const files = [...arrived].sort();
    arrived.clear();
    if (files.length > 0) {
      const keyOf = (file: string) => `photos/${relative(folder, file).split(sep).join('/')}`;
      const { report } = await local.process(files.map((file) => ({ key: keyOf(file), file })));
      await report();
    }
    if (arrived.size === 0 && !interrupt.aborted) await new Promise<void>((resolve) => (wake = resolve));
  }
  await watcher.close();
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
