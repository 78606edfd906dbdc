import { createdObjects } from '#aws/events.ts';
import { type CheckTools, checkPhoto } from '#pipeline/check-photo.ts';
import type { Observer } from './observe.ts';

/** Upload events -> every photo checked: its record written, or a job queued. What throws is tried again by AWS. */
export async function check(event: unknown, tools: CheckTools & { readonly observer: Observer }): Promise<void> {
  for (const { sequencer: _, ...photo } of createdObjects(event)) {
    if (photo.key.endsWith('/')) continue; // A folder that the S3 console made.
    tools.observer.checked(await checkPhoto(photo, tools));
  }
}
