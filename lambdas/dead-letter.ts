import { type BatchResponse, batchResponse, failedInvocation, type QueueRecord, queueRecords } from '#aws/events.ts';
import { type FailTools, failPhoto } from '#pipeline/fail-photo.ts';
import { parseJob } from '#pipeline/job.ts';
import type { PhotoReference } from '#pipeline/photo.ts';
import type { Reason } from '#pipeline/reason.ts';
import { eachRecord, type Within } from './each-record.ts';
import type { Observer } from './observe.ts';

/** Jobs and checks that failed for good -> a `failed` record for each photo, so that the counts still add up. */
export async function deadLetter(
  event: unknown,
  tools: FailTools & { readonly observer: Observer; readonly within?: Within },
): Promise<BatchResponse> {
  const record = async (letter: QueueRecord) => {
    const { photos, reason } = readLetter(letter);
    for (const photo of photos) tools.observer.deadLetter(await failPhoto(photo, reason, tools));
  };
  return batchResponse(await eachRecord(queueRecords(event), record, tools));
}

function readLetter(letter: QueueRecord): { readonly photos: readonly PhotoReference[]; readonly reason: Reason } {
  const invocation = 'requestPayload' in Object(JSON.parse(letter.body)) ? failedInvocation(letter) : undefined;
  const code = invocation ? 'internal' : 'dead-letter';
  const message = invocation ? `The check failed: ${invocation.message}` : 'Unmasking failed again and again.';
  const photos = invocation?.objects.map(({ sequencer: _, ...photo }) => photo) ?? [parseJob(letter.body).photo];
  return { photos, reason: { code, message } };
}
