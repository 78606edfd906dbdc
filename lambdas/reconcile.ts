import { z } from 'zod';
import type { PhotoReference } from '#pipeline/photo.ts';
import { type UnrecordedOptions, unrecordedUploads } from '#pipeline/unrecorded-uploads.ts';
import type { Observer } from './observe.ts';

export type ReconcileTools = Omit<UnrecordedOptions, 'failed' | 'olderThanMinutes'> & {
  readonly observer: Observer;
  /** Has the upload checked again, as if it had just arrived. */
  readonly checkAgain: (photo: PhotoReference) => Promise<void>;
};

const eventSchema = z.object({ failed: z.boolean().default(false), olderThanMinutes: z.number().min(0).default(60) });

/** The schedule, or a person -> every upload without a record is checked again; with `failed`, every failed one too. */
export async function reconcile(event: unknown, tools: ReconcileTools): Promise<{ readonly uploads: number }> {
  const asked = eventSchema.parse(event);
  let uploads = 0;
  for await (const photo of unrecordedUploads({ ...tools, ...asked })) {
    await tools.checkAgain(photo);
    uploads++;
  }
  tools.observer.checkedAgain(uploads);
  return { uploads };
}
