import { readRecords } from '#pipeline/catalogue.ts';
import { readEarlier } from '#pipeline/commit-record.ts';
import { manifestKey } from '#pipeline/manifest.ts';
import type { MetricsRecord } from '#pipeline/metrics-record.ts';
import { photoPath } from '#pipeline/photo.ts';
import type { failureCodes } from '#pipeline/reason.ts';
import { createCounter } from '../commands/counter.ts';
import { exitCodes } from '../commands/exit-codes.ts';
import { listenForInterrupt } from '../commands/interrupt.ts';
import type { StackOptions } from '../commands/options.ts';
import { printable } from '../commands/printable.ts';
import { readManifest } from '../commands/read-manifest.ts';
import { pluralText } from '../report/numbers.ts';
import { eachAtOnce } from './each-at-once.ts';
import { type OpenStack, withStack } from './with-stack.ts';

export type RedriveOptions = StackOptions & {
  /** Only photos that failed for this reason. */
  readonly reason?: (typeof failureCodes)[number];
  readonly dryRun?: boolean;
};

type Outcome = 'queued' | 'gone' | 'settled';

/**
 * `unmask redrive`: photos that failed are tried again. Which ones, the manifest knows; the record and the upload are asked once more
 * before each is queued. Two GETs and a HEAD for each failed photo, however many others there are.
 */
export const redrive = (options: RedriveOptions): Promise<void> =>
  withStack(options, async (stack) => {
    const { reason, dryRun = false, json = false } = options;
    const allFailed = await readFailed(stack);
    const failed = allFailed.filter((record) => reason === undefined || record.reason?.code === reason);
    const outcomes: Record<Outcome, number> = { queued: 0, gone: 0, settled: 0 };
    const interrupt = listenForInterrupt();
    const counter = createCounter('failed photos looked at', failed.length);
    let looked = 0;
    await eachAtOnce(failed, { atOnce: 10, signal: interrupt }, async (record) => {
      const outcome = await tryAgain(record, stack, dryRun);
      outcomes[outcome]++;
      counter.reached(++looked);
      if (json)
        console.log(JSON.stringify({ event: 'photo', key: record.photo.key, reason: record.reason, outcome, dryRun }));
      else if (dryRun && outcome === 'queued') console.log(lineOf(record));
    }).finally(() => {
      counter.stop();
      if (json) console.log(JSON.stringify({ event: 'redrive', failed: failed.length, ...outcomes, dryRun }));
      else console.log(summaryOf(outcomes, { reason, dryRun, others: allFailed.length - failed.length }));
    });
    if (interrupt.aborted) {
      console.error(`Stopped after ${looked} of ${failed.length}; the same command again does the rest.`);
      process.exitCode = exitCodes.interrupted;
    }
  });

/** None where nothing was ever catalogued. */
async function readFailed({ results, resultsBucket }: OpenStack): Promise<readonly MetricsRecord[]> {
  if (!(await results.get(manifestKey))) return [];
  const records = await readRecords(await readManifest(results, `s3://${resultsBucket}`), results);
  return records.filter(({ status }) => status === 'failed');
}

/** The manifest is some seconds old: what was mended or deleted meanwhile is left alone. */
async function tryAgain(
  { photo: { key }, reason }: MetricsRecord,
  stack: OpenStack,
  dryRun: boolean,
): Promise<Outcome> {
  const [earlier, head] = await Promise.all([readEarlier(key, stack.results), stack.photos.head(key)]);
  if (!head) return 'gone';
  const { record } = earlier ?? {};
  if (record && (record.status !== 'failed' || record.reason?.code !== reason?.code)) return 'settled';
  if (!dryRun) await stack.checkAgain({ bucket: stack.photosBucket, key, ...head });
  return 'queued';
}

const lineOf = ({ photo: { key }, reason }: MetricsRecord): string =>
  `${printable(photoPath(key))}: ${reason?.code} (${printable(reason?.message ?? '')})`;

type Asked = {
  readonly reason: RedriveOptions['reason'] | undefined;
  readonly dryRun: boolean;
  readonly others: number;
};

function summaryOf({ queued, gone, settled }: Record<Outcome, number>, { reason, dryRun, others }: Asked): string {
  const because = reason === undefined ? '' : ` with reason ${reason}`;
  if (queued + gone + settled === 0) {
    return `No photo has failed${because}${others > 0 ? `; ${others} failed for other reasons` : ''}. Nothing to do.`;
  }
  return [
    dryRun
      ? `${pluralText(queued, 'failed photo')}${because} would be queued again. Nothing was changed.`
      : `${pluralText(queued, 'failed photo')}${because} queued again.`,
    ...(gone > 0 ? [`${gone} cannot be: the upload was deleted or has expired.`] : []),
    ...(settled > 0 ? [`${settled} need not be: they have ended otherwise meanwhile.`] : []),
    ...(dryRun || queued === 0 ? [] : ['`status` shows how they get on.']),
  ].join('\n');
}
