import { createHash } from 'node:crypto';
import type { Store, StoredObject } from '#pipeline/ports.ts';

/** A bucket that lives as long as a photo is worked on. Conditions hold as in S3; nothing is ever listed. */
export function createMemoryStore(objects: Readonly<Record<string, Uint8Array>> = {}): Store {
  const stored = new Map<string, StoredObject>();
  const write = (key: string, bytes: Uint8Array) => {
    const etag = createHash('sha256').update(bytes).digest('hex');
    stored.set(key, { bytes, etag });
    return { etag };
  };
  for (const [key, bytes] of Object.entries(objects)) write(key, bytes);
  return {
    async get(key) {
      return stored.get(key);
    },
    async head(key) {
      const found = stored.get(key);
      return found && { bytes: found.bytes.length, etag: found.etag };
    },
    async put(key, bytes, { condition } = {}) {
      const etag = stored.get(key)?.etag;
      const holds = !condition || ('ifAbsent' in condition ? etag === undefined : etag === condition.ifMatch);
      return holds ? write(key, bytes) : 'conflict';
    },
    // biome-ignore lint/correctness/useYield: nobody lists here.
    async *list() {
      throw new Error('Expected no listing of a store in memory.');
    },
    async delete(key) {
      stored.delete(key);
    },
  };
}
