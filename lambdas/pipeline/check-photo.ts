import { commitRecord, doneBefore, readEarlier } from './commit-record.ts';
import type { Face } from './face.ts';
import { type Job, jobIdOf, serialiseJob } from './job.ts';
import type { MetricsRecord } from './metrics-record.ts';
import { isDeleted, type PhotoReference, versionOf } from './photo.ts';
import { type PriceOf, plainRecord } from './plain-record.ts';
import type { Clock, Codec, Detector, PhotoHeader, Queue, Store } from './ports.ts';
import type { Processing } from './processing.ts';
import type { Reason } from './reason.ts';
import type { Status } from './status.ts';
import { createStopwatch, totalled } from './stopwatch.ts';

export type CheckTools = {
  readonly photos: Store;
  readonly results: Store;
  readonly queue: Queue;
  readonly codec: Codec;
  readonly detector: Detector;
  readonly clock: Clock;
  readonly processing: Processing;
  readonly priceOf?: PriceOf;
  /** Do the work again although this job is done. */
  readonly force?: boolean;
};

/** A 50-megapixel photo of 16-bit RGBA, uncompressed, has 400 MB; what is larger is not read into memory at all. */
const maxPhotoBytes = 400e6;

/** `queued`: somebody wears a mask, a job was sent. `done-before`: nothing to do. Otherwise the photo has its record now. */
export type CheckOutcome =
  | { readonly outcome: 'queued'; readonly job: Job }
  | { readonly outcome: 'done-before' | 'recorded' | 'superseded'; readonly record: MetricsRecord };

/**
 * First step for every upload: is there a face, does anybody wear a mask? Photos with a mask are queued; all others get their record
 * at once (`bare`, `no-face`, `rejected`) and never retry. Expected outcomes are returned; what throws is transient or a bug.
 */
export async function checkPhoto(photo: PhotoReference, tools: CheckTools): Promise<CheckOutcome> {
  const { photos, results, queue, codec, detector, clock, processing, priceOf, force = false } = tools;
  const jobId = jobIdOf(photo, processing);
  const tooLarge = photo.bytes > maxPhotoBytes;
  // Side by side: a function is billed while it waits, and nearly every upload is new.
  const [earlier, stored] = await Promise.all([
    readEarlier(photo.key, results),
    tooLarge ? undefined : photos.get(photo.key, versionOf(photo)),
  ]);
  const done = force ? undefined : doneBefore(jobId, earlier);
  if (done) return { outcome: 'done-before', record: done };

  const { time, timings } = createStopwatch<'inspectMs' | 'decodeMs' | 'localiseMs'>(clock);
  const recordOf = (status: Status, header?: PhotoHeader, reason?: Reason, faces: readonly Face[] = []) =>
    plainRecord({
      jobId,
      photo,
      header,
      status,
      reason,
      faces,
      processing,
      clock,
      timings: totalled(timings()),
      priceOf,
    });
  const settle = async (...ending: Parameters<typeof recordOf>) => {
    const options = { force, read: { earlier } };
    const { outcome, record } = await commitRecord(recordOf(...ending), photo, { photos, results }, options);
    return { outcome: outcome === 'superseded' ? outcome : 'recorded', record } as const;
  };

  if (tooLarge) {
    const message = `The file has ${photo.bytes} bytes; photos of up to ${maxPhotoBytes} are taken.`;
    return settle('rejected', undefined, { code: 'too-large', message });
  }
  if (!stored) {
    const message = 'The photo could not be read: it is gone, or may not be opened.';
    const reason: Reason = { code: 'unreadable', message };
    return isDeleted(photo, stored)
      ? { outcome: 'superseded', record: recordOf('rejected', undefined, reason) }
      : settle('rejected', undefined, reason);
  }
  const header = await time('inspectMs', () => codec.inspect(stored.bytes));
  if ('rejected' in header) return settle('rejected', undefined, header.rejected);
  const decoded = await time('decodeMs', () => codec.decode(stored.bytes));
  if ('rejected' in decoded) return settle('rejected', header, decoded.rejected);
  const faces = await time('localiseMs', () => detector.localise(decoded.raster));

  if (faces.length === 0) {
    return settle('no-face', header, {
      code: 'no-face',
      message: 'No face was found; small, blurred or strongly turned faces can be missed.',
    });
  }
  if (!faces.some((face) => face.masked)) return settle('bare', header, undefined, faces);

  const { inspectMs = 0, decodeMs = 0, localiseMs = 0 } = timings();
  const job: Job = {
    schemaVersion: 1,
    jobId,
    photo: { ...photo },
    faces: faces.map((face) => ({ ...face, eyes: [...face.eyes] })),
    timings: { inspectMs, decodeMs, localiseMs },
  };
  await queue.send([serialiseJob(job)]);
  return { outcome: 'queued', job };
}
