import { setTimeout as pause } from 'node:timers/promises';
import { AwsError, explain } from '#aws/aws-error.ts';
import { systemClock } from '#local/system-clock.ts';
import { isUnmaskedFace, type MetricsRecord } from '#pipeline/metrics-record.ts';
import { photoPath } from '#pipeline/photo.ts';
import { isHeard } from '../commands/broken-pipe.ts';
import { listenForInterrupt } from '../commands/interrupt.ts';
import type { StackOptions } from '../commands/options.ts';
import { printable } from '../commands/printable.ts';
import { sinceDate } from '../commands/since.ts';
import { durationText, pluralText } from '../report/numbers.ts';
import { createNewRecords } from './new-records.ts';
import { withStack } from './with-stack.ts';

export type TailOptions = StackOptions & {
  /** Records from then on first; without, only what comes from now on. */
  readonly since?: string;
  /** End after so many records. */
  readonly limit?: number;
};

/** Between two looks: the catalogue writes every few seconds at most. Milliseconds. */
const between = 2000;
const longest = 60_000;

/**
 * `unmask tail`: records as they come, one line each, until Ctrl-C or the reader goes away. It follows the manifest's pointer, one GET every
 * two seconds and one for each new segment, however many photos there are. What cannot be reached is tried again, and said.
 */
export const tail = (options: TailOptions): Promise<void> => {
  const since = options.since === undefined ? undefined : sinceDate(options.since, systemClock.now());
  return withStack(options, async ({ results, resultsBucket }) => {
    const { limit = Number.POSITIVE_INFINITY, json = false } = options;
    const interrupt = listenForInterrupt('Stopping.');
    const news = createNewRecords(results);
    const isNew = createIsNew(since ?? systemClock.now());
    if (since === undefined) await news.skipAll();
    if (!json) console.error(`Following s3://${resultsBucket}; Ctrl-C ends it.`);

    let told = 0;
    let failures = 0;
    while (!interrupt.aborted && told < limit && isHeard()) {
      try {
        const records = (await news.look())
          .filter(isNew)
          .sort(byTime)
          .slice(0, limit - told);
        if (failures > 0) console.error('Reached again.');
        failures = 0;
        told += records.length;
        for (const record of records) console.log(json ? JSON.stringify({ event: 'photo', record }) : lineOf(record));
      } catch (error) {
        const explained = explain(error);
        // Credentials and permissions do not come back by themselves.
        if (explained instanceof AwsError && explained.code !== 'unreachable') throw explained;
        failures++;
        if (failures === 1)
          console.error(`warning: ${explained instanceof Error ? explained.message : explained} Trying again.`);
      }
      const wait = Math.min(between * 2 ** Math.min(failures, 5), longest);
      if (told < limit) await pause(wait, undefined, { signal: interrupt }).catch(() => {});
    }
  });
};

/** A record is catalogued some time after it was made; so much later it still counts as new. Milliseconds. */
const lateness = 10 * 60_000;

/** Whether a record has not been told yet. Folded segments bring old ones again. */
function createIsNew(since: Date): (record: MetricsRecord) => boolean {
  const told = new Set<string>();
  return ({ jobId, createdAt }) => {
    const identity = `${jobId} ${createdAt}`;
    if (told.has(identity) || Date.parse(createdAt) < since.getTime() - lateness) return false;
    told.add(identity);
    return true;
  };
}

const byTime = (a: MetricsRecord, b: MetricsRecord): number => (a.createdAt < b.createdAt ? -1 : 1);

function lineOf({ createdAt, status, photo, faces, timings, reason }: MetricsRecord): string {
  const unmasked = faces.filter(isUnmaskedFace).length;
  const details = [
    ...(unmasked > 0 ? [pluralText(unmasked, 'face')] : []),
    ...(timings.totalMs === undefined ? [] : [durationText(timings.totalMs)]),
    ...(reason ? [printable(reason.message)] : []),
  ].join(', ');
  return `${createdAt}  ${status.padEnd(8)}  ${printable(photoPath(photo.key))}${details && `  (${details})`}`;
}
