import { type Commit, commitRecord } from './commit-record.ts';
import { jobIdOf } from './job.ts';
import type { PhotoReference } from './photo.ts';
import { plainRecord } from './plain-record.ts';
import type { Clock, Store } from './ports.ts';
import type { Processing } from './processing.ts';
import type { Reason } from './reason.ts';

export type FailTools = {
  readonly photos: Store;
  readonly results: Store;
  readonly clock: Clock;
  readonly processing: Processing;
};

/** Last step of a photo that could not be processed after every retry: a `failed` record, so that the counts still add up. */
export function failPhoto(photo: PhotoReference, reason: Reason, tools: FailTools): Promise<Commit> {
  const { photos, results, clock, processing } = tools;
  const jobId = jobIdOf(photo, processing);
  return commitRecord(plainRecord({ jobId, photo, status: 'failed', reason, processing, clock }), photo, {
    photos,
    results,
  });
}
