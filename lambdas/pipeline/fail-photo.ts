import { type Commit, commitRecord, isCurrent } from './commit-record.ts';
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

/**
 * Last step of a photo that could not be processed after every retry: a `failed` record, so that the counts still add up. One HEAD, where
 * there are versions, and the commit.
 */
export async function failPhoto(photo: PhotoReference, reason: Reason, tools: FailTools): Promise<Commit> {
  const { photos, results, clock, processing } = tools;
  const jobId = jobIdOf(photo, processing);
  const record = plainRecord({ jobId, photo, status: 'failed', reason, processing, clock });
  if (photo.versionId !== undefined && !(await isCurrent(photo, photos))) return { outcome: 'superseded', record };
  return commitRecord(record, photo, { photos, results });
}
