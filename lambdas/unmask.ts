import { type BatchResponse, batchResponse, queueRecords } from '#aws/events.ts';
import { parseJob } from '#pipeline/job.ts';
import { type UnmaskTools, unmaskPhoto } from '#pipeline/unmask-photo.ts';
import { eachRecord } from './each-record.ts';
import type { Observer } from './observe.ts';

export type UnmaskFunctionTools = UnmaskTools & {
  readonly observer: Observer;
  /** Whether enough of the timeout is left for another photo. */
  readonly hasTime: () => boolean;
};

/** Jobs -> every photo unmasked. Jobs that failed or were not started go back to the queue, the others do not. */
export async function unmask(event: unknown, tools: UnmaskFunctionTools): Promise<BatchResponse> {
  const { observer } = tools;
  return batchResponse(
    await eachRecord(
      queueRecords(event),
      async ({ body }) => observer.committed(await unmaskPhoto(parseJob(body), tools)),
      tools,
    ),
  );
}
