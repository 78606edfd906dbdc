import type { Codec, DecodedPhoto, Store, StoredObject } from '#pipeline/ports.ts';

/** What a step reads photos with. */
type Reading = { readonly photos: Store; readonly codec: Codec };

export type DecodedOnce = {
  /** For the check: what it decodes is kept until the unmasking takes it. */
  readonly check: Reading;
  /** For the unmasking: what the check has decoded is handed over, once; anything else is decoded. */
  readonly unmask: Reading;
  /** For a photo that will not be unmasked. */
  drop(etag: string): void;
};

/** Pixels held between the steps: five photos of 12 megapixels, one of 50. What would be more is decoded twice. */
const maxHeldBytes = 180e6;

/**
 * In the cloud the check and the unmasking are two processes and each decodes the photo; in one process once is enough. Both steps still
 * read the file: only if its content has the etag (locally the sha256) that was decoded are the pixels the same.
 */
export function createDecodedOnce({ photos, codec }: Reading, maxBytes = maxHeldBytes): DecodedOnce {
  const etags = new WeakMap<Uint8Array, string>();
  const held = new Map<string, DecodedPhoto>();
  let heldBytes = 0;

  const take = (etag: string): DecodedPhoto | undefined => {
    const decoded = held.get(etag);
    if (decoded && held.delete(etag)) heldBytes -= decoded.raster.data.length;
    return decoded;
  };
  const keep = (etag: string, decoded: DecodedPhoto): void => {
    const bytes = decoded.raster.data.length;
    if (held.has(etag) || heldBytes + bytes > maxBytes) return;
    held.set(etag, decoded);
    heldBytes += bytes;
  };
  const noted = (stored: StoredObject | undefined): StoredObject | undefined => {
    if (stored) etags.set(stored.bytes, stored.etag);
    return stored;
  };
  const noting: Store = { ...photos, get: async (key, options) => noted(await photos.get(key, options)) };

  return {
    check: {
      photos: noting,
      codec: {
        ...codec,
        async decode(bytes) {
          const decoded = await codec.decode(bytes);
          const etag = etags.get(bytes);
          if (etag !== undefined && !('rejected' in decoded)) keep(etag, decoded);
          return decoded;
        },
      },
    },
    unmask: {
      photos: noting,
      codec: {
        ...codec,
        async decode(bytes) {
          const etag = etags.get(bytes);
          return (etag === undefined ? undefined : take(etag)) ?? codec.decode(bytes);
        },
      },
    },
    drop: (etag) => void take(etag),
  };
}
