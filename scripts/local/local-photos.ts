import type { PhotoReference } from '#pipeline/photo.ts';
import type { Store } from '#pipeline/ports.ts';
import { errorCode } from './file-object.ts';
import { createInputStore, type PhotoInput } from './photo-inputs.ts';

export type LocalPhotos = Store & {
  /** The upload that an input stands for. One that cannot be opened has the etag `unreadable`, and the check rejects it. */
  referenceOf(input: PhotoInput): Promise<PhotoReference>;
};

/** The photos bucket of a local run: the inputs and their references, where they lie. A file that may not be opened is not there. */
export function createLocalPhotos(inputs: readonly PhotoInput[]): LocalPhotos {
  const store = createInputStore(inputs);
  const photos: Store = {
    ...store,
    get: (key, options) => unlessForbidden(store.get(key, options)),
    head: (key) => unlessForbidden(store.head(key)),
  };
  return {
    ...photos,
    async referenceOf({ key }) {
      const head = await photos.head(key);
      return { bucket: 'local', key, etag: head?.etag ?? 'unreadable', bytes: head?.bytes ?? 0 };
    },
  };
}

async function unlessForbidden<Found>(reading: Promise<Found | undefined>): Promise<Found | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (['EACCES', 'EPERM'].includes(errorCode(error))) return undefined;
    throw error;
  }
}
