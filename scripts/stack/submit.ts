import { stat } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import type { Settled } from '#local/embedded-pipeline.ts';
import { errorCode } from '#local/file-object.ts';
import { createFolderStore } from '#local/folder-store.ts';
import { createLocalPhotos } from '#local/local-photos.ts';
import type { PhotoInput } from '#local/photo-inputs.ts';
import { systemClock } from '#local/system-clock.ts';
import { catalogue } from '#pipeline/catalogue.ts';
import { maxKeyBytes } from '#pipeline/photo.ts';
import { exitCodes, UsageError } from '../commands/exit-codes.ts';
import { listenForInterrupt } from '../commands/interrupt.ts';
import { localInputs, referenceInputs } from '../commands/local-inputs.ts';
import type { StackOptions } from '../commands/options.ts';
import { fromShell } from '../commands/paths.ts';
import { summaryEvent, summaryTable } from '../commands/summary.ts';
import { writeReport } from '../commands/write-report.ts';
import { countText, pluralText } from '../report/numbers.ts';
import { createAwaitRecords } from './await-records.ts';
import { eachAtOnce } from './each-at-once.ts';
import { fetchResult } from './fetch-result.ts';
import { createSubmitProgress, warnNotUploaded } from './submit-progress.ts';
import { withStack } from './with-stack.ts';

export type SubmitOptions = StackOptions & {
  readonly out: string;
  readonly references?: string;
  /** Files in transfer at once. */
  readonly concurrency: number;
  readonly wait: boolean;
  /** Minutes without any news after which waiting ends. */
  readonly giveUpAfter: number;
};

/** Between two looks for results: short while they come, longer while none does. Milliseconds. */
const soonest = 250;
const latest = 4000;

/** `unmask submit`: what `run` does, done by a deployed stack: photos go up, results come down into the same layout. */
export async function submit(paths: readonly string[], options: SubmitOptions): Promise<void> {
  const start = systemClock.milliseconds();
  const out = fromShell(options.out);
  const inputs = await localInputs(paths.map(fromShell), out);
  const references = options.references === undefined ? [] : await referenceInputs(fromShell(options.references));
  refuseLongKeys([...inputs, ...references]);

  await withStack(options, async (stack) => {
    const { json = false, concurrency, wait } = options;
    const { uploads } = stack;
    const interrupt = listenForInterrupt();
    // When AWS refuses one way, nothing more is begun the other way either.
    const failure = new AbortController();
    const signal = AbortSignal.any([interrupt, failure.signal]);
    const progress = createSubmitProgress(inputs.length, json);
    const folder = createFolderStore(out);
    const awaited = createAwaitRecords({ ...stack, clock: systemClock });
    const thereBefore = new Set<string>();
    const settled: Settled[] = [];
    let notUploaded = 0;
    let replaced = 0;

    const send = async ({ key, file }: PhotoInput) => {
      const same = await uploads.findSame(key, file);
      return { photo: same ?? (await uploads.upload(key, file)), skipped: same !== undefined };
    };
    const sendAll = async () => {
      await eachAtOnce(references, { atOnce: concurrency, signal }, send);
      await eachAtOnce(inputs, { atOnce: concurrency, signal }, async (input) => {
        const sent = await unlessUnreadable(input.file, () => send(input));
        if (!sent) return void notUploaded++;
        const { photo, skipped } = sent;
        if (skipped) thereBefore.add(photo.key);
        progress.uploaded({ key: photo.key, bytes: photo.bytes, skipped });
        awaited.add(photo);
      });
      progress.allUploaded();
    };
    const takeResults = async () => {
      const found = await awaited.look();
      replaced += found.filter((one) => one.replaced).length;
      const records = found.flatMap(({ record }) => record ?? []);
      await eachAtOnce(records, { atOnce: concurrency }, async (record) => {
        await fetchResult(record, stack.results, folder);
        const photo = { record, skipped: thereBefore.has(record.photo.key) };
        settled.push(photo);
        progress.settled(photo);
      });
      return found.length;
    };

    let sending = true;
    const receive = async () => {
      let between = soonest;
      while (wait && !signal.aborted && (sending || awaited.waiting > 0)) {
        between = (await takeResults()) > 0 ? soonest : Math.min(between * 1.5, latest);
        if (!sending && awaited.quietMilliseconds() > options.giveUpAfter * 60_000) return;
        if (sending || awaited.waiting > 0) await pause(between, undefined, { signal }).catch(() => {});
      }
    };
    const sent = sendAll().finally(() => {
      sending = false;
    });
    const received = receive();
    try {
      await Promise.all([sent, received]);
    } catch (error) {
      failure.abort();
      throw error;
    } finally {
      progress.stop();
      await Promise.allSettled([sent, received]);
      await catalogue(
        settled.map(({ record }) => record),
        { results: folder, clock: systemClock },
      );
    }

    const records = settled.map(({ record }) => record);
    const figures = {
      records,
      skipped: settled.filter((photo) => photo.skipped).length,
      seconds: (systemClock.milliseconds() - start) / 1000,
      out,
      report: wait
        ? await writeReport({ out, results: folder, photos: createLocalPhotos(inputs), clock: systemClock })
        : '',
    };
    const { waiting } = awaited;
    if (json) console.log(JSON.stringify({ ...summaryEvent(figures), waiting, replaced, notUploaded }));
    else if (wait) console.log(summaryTable(figures));
    const told = afterwards({
      waiting,
      replaced,
      interrupted: interrupt.aborted,
      wait,
      giveUpAfter: options.giveUpAfter,
    });
    if (told !== undefined) console.error(told);
    if (interrupt.aborted) process.exitCode = exitCodes.interrupted;
    else if (notUploaded > 0 || (wait && waiting > 0) || records.some(({ status }) => status === 'failed'))
      process.exitCode = exitCodes.failed;
  });
}

/** S3 keys are shorter than paths may be. */
function refuseLongKeys(inputs: readonly PhotoInput[]): void {
  const long = inputs.find(({ key }) => Buffer.byteLength(key) > maxKeyBytes);
  if (long) {
    throw new UsageError(
      `Expected paths that S3 can hold, ${maxKeyBytes} bytes with photos/ before them, but one has ${Buffer.byteLength(long.key)}: give a folder further down.`,
    );
  }
}

/** A file that went away or may not be opened is left out, with a warning; what AWS says is thrown. */
async function unlessUnreadable<Result>(file: string, work: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await work();
  } catch (error) {
    const isOfFile = await stat(file).then(
      () => ['EACCES', 'EPERM', 'EISDIR', 'EIO'].includes(errorCode(error)),
      () => true,
    );
    if (!isOfFile) throw error;
    warnNotUploaded(file, error instanceof Error ? error.message : String(error));
    return undefined;
  }
}

type Ending = {
  readonly waiting: number;
  readonly replaced: number;
  readonly interrupted: boolean;
  readonly wait: boolean;
  readonly giveUpAfter: number;
};

function afterwards({ waiting, replaced, interrupted, wait, giveUpAfter }: Ending): string | undefined {
  const newer =
    replaced > 0 ? `${pluralText(replaced, 'photo')} had been uploaded anew or deleted by somebody else. ` : '';
  if (interrupted)
    return `${newer}Stopped; the same command again goes on where it was. What was uploaded is worked on meanwhile.`;
  if (!wait) return 'The same command without --no-wait waits for the results and fetches them.';
  if (waiting > 0) {
    return `${newer}${countText(waiting)} of the photos have no result, and nothing has come for ${pluralText(giveUpAfter, 'minute')}: \`status\` shows whether they are still worked on, \`reconcile\` queues what has lost its way; the same command again goes on waiting.`;
  }
  return newer.trim() || undefined;
}
