import type { QueueRecord } from '#aws/events.ts';
import type { Observer } from './observe.ts';

export type EachRecordOptions = {
  readonly observer: Pick<Observer, 'returned'>;
  /** Whether there is time to start another. Default: always. */
  readonly hasTime?: () => boolean;
  /** Messages in work at once. Default 1: a photo fills the memory. More where the work is waiting for S3. */
  readonly atOnce?: number;
};

export type Outcome = { readonly messageId: string; readonly done: boolean };

/**
 * Works on the messages of a batch, in order. What throws, and what there was no time to start, is not done: those messages come again,
 * and the others do not.
 */
export async function eachRecord(
  records: readonly QueueRecord[],
  work: (record: QueueRecord) => Promise<void>,
  { observer, hasTime = () => true, atOnce = 1 }: EachRecordOptions,
): Promise<readonly Outcome[]> {
  const one = async (record: QueueRecord): Promise<Outcome> => {
    const { messageId } = record;
    try {
      if (!hasTime()) throw new Error('Not started: too little of the timeout was left.');
      await work(record);
      return { messageId, done: true };
    } catch (error) {
      observer.returned(messageId, error);
      return { messageId, done: false };
    }
  };
  const outcomes: Outcome[] = [];
  for (let start = 0; start < records.length; start += atOnce) {
    outcomes.push(...(await Promise.all(records.slice(start, start + atOnce).map(one))));
  }
  return outcomes;
}
