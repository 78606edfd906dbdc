import { stat } from 'node:fs/promises';
import { relative, sep } from 'node:path';
import { arrivals } from '#local/arrivals.ts';
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

/** `unmask watch`: photos that lie in the folder, or are dropped into it or changed, are processed until Ctrl-C, as by the bucket. */
export async function watch(dir: string, { out: given, model, denoise, json = false }: WatchOptions): Promise<void> {
  const folder = fromShell(dir);
  const out = fromShell(given);
  if (!(await isFolder(folder))) throw new UsageError(`Expected a folder to watch but received ${printable(dir)}.`);
  const tools = await openTools({ model, denoise });
  const interrupt = listenForInterrupt();
  const { settled: onSettled } = createProgress({ total: 0, json, follow: true });
  const local = createLocalRun({ out, tools, interrupt, onSettled });

  console.error(`Watching ${printable(folder)}; results go to ${printable(out)}. Ctrl-C ends.`);
  const keyOf = (file: string) => `photos/${relative(folder, file).split(sep).join('/')}`;
  for await (const files of arrivals(folder, { except: out, signal: interrupt })) {
    const { report } = await local.process(files.map((file) => ({ key: keyOf(file), file })));
    await report();
  }
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
