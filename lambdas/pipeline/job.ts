import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { PhotoReference } from './photo.ts';
import type { Processing } from './processing.ts';

const pointSchema = z.strictObject({ x: z.number(), y: z.number() });

/** Message on the jobs queue: a photo in which somebody wears a mask, with the faces that the check found. About 250 bytes a face. */
export const jobSchema = z.strictObject({
  schemaVersion: z.literal(1),
  jobId: z.string().length(64),
  photo: z.strictObject({
    bucket: z.string(),
    key: z.string(),
    versionId: z.string().optional(),
    etag: z.string(),
    bytes: z.int().nonnegative(),
  }),
  faces: z.array(
    z.strictObject({
      box: z.strictObject({ x: z.number(), y: z.number(), width: z.number(), height: z.number() }),
      eyes: z.tuple([pointSchema, pointSchema]),
      score: z.number(),
      maskProbability: z.number(),
      masked: z.boolean(),
      unsure: z.literal(true).optional(),
    }),
  ),
  timings: z.strictObject({ inspectMs: z.number(), decodeMs: z.number(), localiseMs: z.number() }),
});

export type Job = Readonly<z.infer<typeof jobSchema>>;

/** The message body: plain ASCII, because SQS refuses some characters that a key may hold. */
export function serialiseJob(job: Job): string {
  return JSON.stringify(job).replace(/[\u007f-\uffff]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/** @throws Error when the body is no job of this version. */
export function parseJob(body: string): Job {
  try {
    return jobSchema.parse(JSON.parse(body));
  } catch (cause) {
    throw new Error('Expected a job of schemaVersion 1 as the message body.', { cause });
  }
}

/** The same bytes under the same key, processed the same way, are the same job; a new model or threshold makes it a new one. */
export function jobIdOf(
  photo: PhotoReference,
  { detector, denoiser, unmasker, denoise, settings }: Processing,
): string {
  const models = [detector, denoiser, unmasker].map(({ name, version, sha256 }) => [name, version, sha256]);
  const identity = [photo.bucket, photo.key, photo.versionId ?? photo.etag, models, denoise, settings];
  return createHash('sha256').update(JSON.stringify(identity)).digest('hex');
}
