import { createHash } from 'node:crypto';
import { createFolderStore } from '#local/folder-store.ts';
import { keyFault } from '#local/key-path.ts';
import { systemClock } from '#local/system-clock.ts';
import { catalogue } from '#pipeline/catalogue.ts';
import { type MetricsRecord, parseMetricsRecord } from '#pipeline/metrics-record.ts';
import type { ObjectSummary } from '#pipeline/ports.ts';
import { createCounter } from '../commands/counter.ts';
import { exitCodes } from '../commands/exit-codes.ts';
import { listenForInterrupt } from '../commands/interrupt.ts';
import type { StackOptions } from '../commands/options.ts';
import { fromShell } from '../commands/paths.ts';
import { printable } from '../commands/printable.ts';
import { summaryEvent, summaryTable } from '../commands/summary.ts';
import { writeReport } from '../commands/write-report.ts';
import { eachAtOnce } from './each-at-once.ts';
import { fetchResult } from './fetch-result.ts';
import { withStack } from './with-stack.ts';

export type DownloadOptions = StackOptions & {
  readonly out: string;
  /** Only photos whose path begins so. */
  readonly prefix: string;
  readonly concurrency: number;
  readonly report: boolean;
};

/** `unmask download`: the results of a deployed stack, in the layout of a local run. What is here and unchanged is not fetched again. */
export const download = (options: DownloadOptions): Promise<void> =>
  withStack(options, async ({ results, photos, resultsBucket }) => {
    const start = systemClock.milliseconds();
    const { prefix, concurrency, json = false } = options;
    const out = fromShell(options.out);
    const folder = createFolderStore(out);
    const interrupt = listenForInterrupt();
    const counter = createCounter('photos fetched', undefined);
    const records: MetricsRecord[] = [];
    let bytes = 0;
    let unchanged = 0;
    let leftOut = 0;

    const fetchOne = async (listed: ObjectSummary) => {
      const held = await folder.get(listed.key);
      const isHeld = held !== undefined && createHash('md5').update(held.bytes).digest('hex') === listed.etag;
      const stored = isHeld ? held : await results.get(listed.key);
      if (!stored) return; // deleted since it was listed
      const record = parseMetricsRecord(stored.bytes);
      const fetched = await fetchResult(record, results, folder, stored.bytes);
      if (isHeld && fetched.bytes === 0) unchanged++;
      bytes += fetched.bytes + (isHeld ? 0 : stored.bytes.length);
      records.push(record);
      counter.reached(records.length);
      if (json) console.log(JSON.stringify({ event: 'photo', skipped: isHeld && fetched.bytes === 0, record }));
    };
    try {
      await eachAtOnce(
        results.list(`metrics/${prefix}`),
        { atOnce: concurrency, signal: interrupt },
        async (listed) => {
          const fault = keyFault(listed.key);
          if (fault === undefined) return fetchOne(listed);
          leftOut++;
          console.error(`warning: ${printable(listed.key)} was left out: ${fault}`);
        },
      );
    } finally {
      counter.stop();
      await catalogue(records, { results: folder, clock: systemClock });
    }

    if (records.length === 0) {
      console.error(
        `There are no results${prefix && ` of photos under ${printable(prefix)}`} in s3://${resultsBucket} yet: \`status\` shows what is under way.`,
      );
      return;
    }
    const figures = {
      records,
      skipped: unchanged,
      seconds: (systemClock.milliseconds() - start) / 1000,
      out,
      report: options.report ? await writeReport({ out, results: folder, photos, clock: systemClock }) : 'not written',
    };
    if (json) console.log(JSON.stringify({ ...summaryEvent(figures), bytes, leftOut }));
    else console.log(summaryTable(figures));
    if (interrupt.aborted) {
      console.error('Stopped; the same command again fetches the rest.');
      process.exitCode = exitCodes.interrupted;
    } else if (leftOut > 0 || records.some(({ status }) => status === 'failed')) {
      process.exitCode = exitCodes.failed;
    }
  });
