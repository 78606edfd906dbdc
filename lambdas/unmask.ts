import { type BatchResponse, batchResponse, type QueueRecord, queueRecords } from '#aws/events.ts';
import { createTurns } from '#pipeline/in-turn.ts';
import { type Job, parseJob } from '#pipeline/job.ts';
import { type UnmaskTools, unmaskPhoto } from '#pipeline/unmask-photo.ts';
import { eachRecord, type Within } from './each-record.ts';
import type { Observer } from './observe.ts';

export type UnmaskFunctionTools = UnmaskTools & {
  readonly observer: Observer;
  /** Whether enough of the timeout is left for another photo. */
  readonly hasTime: () => boolean;
  readonly within?: Within;
};

/** While one photo is in work another is fetched or stored: a function is billed while it waits. */
const photosAtOnce = 2;

/** A larger file, encoded, is not held in memory beside another photo. */
const mostBytesBeside = 32e6;

/** Jobs -> every photo unmasked. Jobs that failed or were not started go back to the queue, the others do not. */
export async function unmask(event: unknown, tools: UnmaskFunctionTools): Promise<BatchResponse> {
  const { observer } = tools;
  const inTurn = createTurns();
  const unmaskOne = (job: Job) =>
    job.photo.bytes > mostBytesBeside ? inTurn(() => unmaskPhoto(job, tools)) : unmaskPhoto(job, { ...tools, inTurn });
  const handle = async ({ body }: QueueRecord) => observer.committed(await unmaskOne(parseJob(body)));
  return batchResponse(await eachRecord(queueRecords(event), handle, { ...tools, atOnce: photosAtOnce }));
}
