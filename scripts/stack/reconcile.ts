import { systemClock } from '#local/system-clock.ts';
import { photoPath } from '#pipeline/photo.ts';
import type { Store } from '#pipeline/ports.ts';
import { unrecordedUploads } from '#pipeline/unrecorded-uploads.ts';
import { createCounter } from '../commands/counter.ts';
import { exitCodes } from '../commands/exit-codes.ts';
import { listenForInterrupt } from '../commands/interrupt.ts';
import type { StackOptions } from '../commands/options.ts';
import { printable } from '../commands/printable.ts';
import { countText, pluralText } from '../report/numbers.ts';
import { eachAtOnce } from './each-at-once.ts';
import { withStack } from './with-stack.ts';

export type ReconcileOptions = StackOptions & { readonly olderThan: number; readonly dryRun?: boolean };

/** `unmask reconcile`: what the schedule does every few hours, now: uploads without a record are queued again. */
export const reconcile = (options: ReconcileOptions): Promise<void> =>
  withStack(options, async ({ photos, results, photosBucket: bucket, checkAgain }) => {
    const { olderThan: olderThanMinutes, dryRun = false, json = false } = options;
    const interrupt = listenForInterrupt();
    const counter = createCounter('uploads looked at', undefined);
    let uploads = 0;
    let queued = 0;
    const counted: Store = {
      ...photos,
      async *list(prefix) {
        for await (const object of photos.list(prefix)) {
          if (interrupt.aborted) return;
          counter.reached(++uploads);
          yield object;
        }
      },
    };
    const lost = unrecordedUploads({ photos: counted, results, clock: systemClock, bucket, olderThanMinutes });
    await eachAtOnce(lost, { atOnce: 10, signal: interrupt }, async (photo) => {
      if (!dryRun) await checkAgain(photo);
      queued++;
      if (json) console.log(JSON.stringify({ event: 'photo', key: photo.key, dryRun }));
      else if (dryRun) console.log(printable(photoPath(photo.key)));
    }).finally(() => {
      counter.stop();
      if (json) console.log(JSON.stringify({ event: 'reconciled', uploads, queued, olderThanMinutes, dryRun }));
      else console.log(summaryOf({ uploads, queued, dryRun }));
    });
    if (interrupt.aborted) {
      console.error('Stopped; the same command again looks at all of them.');
      process.exitCode = exitCodes.interrupted;
    }
  });

type Figures = { readonly uploads: number; readonly queued: number; readonly dryRun: boolean };

function summaryOf({ uploads, queued, dryRun }: Figures): string {
  const looked = `Looked at ${pluralText(uploads, 'upload')}`;
  if (queued === 0) return `${looked}: none has lost its way. Nothing to do.`;
  const without = `${countText(queued)} without a record`;
  return dryRun
    ? `${looked}: ${without} would be queued again. Nothing was changed.`
    : `${looked}: ${without} queued again. \`status\` shows how they get on.`;
}
