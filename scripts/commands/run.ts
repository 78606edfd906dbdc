import type { Settled } from '#local/embedded-pipeline.ts';
import { systemClock } from '#local/system-clock.ts';
import type { DenoiseMode } from '#pipeline/processing.ts';
import { exitCodes } from './exit-codes.ts';
import { listenForInterrupt } from './interrupt.ts';
import { localInputs, referenceInputs } from './local-inputs.ts';
import { createLocalRun } from './local-run.ts';
import { openTools, photosAtOnce } from './open-tools.ts';
import { fromProject, fromShell } from './paths.ts';
import { createProgress } from './progress.ts';
import { summaryEvent, summaryTable } from './summary.ts';

export type RunOptions = {
  readonly out: string;
  readonly references?: string;
  readonly model: string;
  readonly denoise: DenoiseMode;
  readonly force?: boolean;
  readonly concurrency?: number;
  readonly json?: boolean;
};

/** `unmask run`: photos in; unmasked photos, metrics, manifest and report out. */
export async function run(paths: readonly string[], options: RunOptions): Promise<void> {
  const start = systemClock.milliseconds();
  const { model, denoise, json = false, force = false } = options;
  const { concurrency = photosAtOnce() } = options;
  const examples = paths.length === 0;
  const out = fromShell(options.out);
  const inputs = await localInputs(examples ? [fromProject('examples/photos')] : paths.map(fromShell), out);
  const folder = options.references ?? (examples ? fromProject('examples/references') : undefined);
  const references = folder === undefined ? [] : await referenceInputs(fromShell(folder));
  const tools = await openTools({ model, denoise, atOnce: Math.min(concurrency, inputs.length) });

  const settled: Settled[] = [];
  const progress = createProgress({ total: inputs.length, json });
  const interrupt = listenForInterrupt();
  const onSettled = (photo: Settled) => {
    settled.push(photo);
    progress.settled(photo);
  };
  const local = createLocalRun({ out, tools, force, concurrency, interrupt, onSettled });
  const done = await local.process(inputs, references).finally(progress.stop);
  const report = await done.report();

  const records = settled.map(({ record }) => record);
  const skipped = settled.filter((photo) => photo.skipped).length;
  const seconds = (systemClock.milliseconds() - start) / 1000;
  const figures = { records, skipped, seconds, out, report };
  console.log(json ? JSON.stringify(summaryEvent(figures)) : summaryTable(figures));
  if (settled.length < inputs.length) {
    console.error(`Stopped after ${settled.length} of ${inputs.length} photos; the same command again does the rest.`);
    process.exitCode = exitCodes.interrupted;
  } else if (records.some(({ status }) => status === 'failed')) {
    process.exitCode = exitCodes.failed;
  }
}
