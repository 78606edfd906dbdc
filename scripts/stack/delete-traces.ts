import { eachAtOnce } from './each-at-once.ts';
import type { PhotoTraces, Trace } from './photo-traces.ts';
import type { OpenStack } from './with-stack.ts';

export type DeletingOptions = {
  /** Once it is aborted, no further photo is begun. */
  readonly signal: AbortSignal;
  readonly onObject: (deleted: Trace) => void;
  /** Told of each photo what was deleted of it; when something goes wrong, as far as it went. */
  readonly onPhoto: (deleted: Omit<PhotoTraces, 'inWork'>) => void;
};

const photosAtOnce = 8;

/** Deletes what was found of the photos for good, of each photo in the order in which it was found. One DELETE for each version. */
export async function deleteTraces(
  photos: readonly PhotoTraces[],
  { photoVersions, resultVersions, photosBucket }: OpenStack,
  { signal, onObject, onPhoto }: DeletingOptions,
): Promise<void> {
  await eachAtOnce(photos, { atOnce: photosAtOnce, signal }, async ({ photoKey, traces }) => {
    const deleted: Trace[] = [];
    try {
      for (const trace of traces) {
        await (trace.bucket === photosBucket ? photoVersions : resultVersions).delete(trace);
        deleted.push(trace);
        onObject(trace);
      }
    } finally {
      onPhoto({ photoKey, traces: deleted });
    }
  });
}
