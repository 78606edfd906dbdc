import type { QueueRecord } from '#aws/events.ts';
import type { Observer } from './observe.ts';

export type EachRecordOptions = {
  readonly observer: Pick<Observer, 'returned'>;
  /** Whether there is time to start another. Default: always. */
  readonly hasTime?: () => boolean;
  /** Messages in work at once; when one is done the next begins. Default 1. More where part of the work is waiting for S3. */
  readonly atOnce?: number;
  /** Runs the work on a message, in the trace of its sender say. */
  readonly within?: Within;
};

export type Within = <Result>(record: QueueRecord, work: () => Promise<Result>) => Promise<Result>;

export type Outcome = { readonly messageId: string; readonly done: boolean };

/**
 * Works on the messages of a batch, begun in order. What throws, and what there was no time to start, is not done: those messages come again,
 * and the others do not.
 */
export async function eachRecord(
  records: readonly QueueRecord[],
  handle: (record: QueueRecord) => Promise<void>,
  { observer, hasTime = () => true, atOnce = 1, within = (_, work) => work() }: EachRecordOptions,
): Promise<readonly Outcome[]> {
  const one = async (record: QueueRecord): Promise<Outcome> => {
    const { messageId } = record;
    try {
      if (!hasTime()) throw new Error('Not started: too little of the timeout was left.');
      await within(record, () => handle(record));
      return { messageId, done: true };
    } catch (error) {
      observer.returned(messageId, error);
      return { messageId, done: false };
    }
  };
  const outcomes: Outcome[] = [];
  const waiting = records.entries();
  const work = async () => {
    for (const [index, record] of waiting) outcomes[index] = await one(record);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return outcomes;
}
