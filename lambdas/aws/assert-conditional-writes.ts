import { randomUUID } from 'node:crypto';
import type { PutCondition, Store } from '#pipeline/ports.ts';

/**
 * Proves that a store keeps conditions, by breaking some. An S3 that ignores them answers 200 and overwrites, and the manifest would lose
 * photos without a word. For start-up against anything but AWS; five small PUTs and a DELETE under `prefix`.
 *
 * @throws Error that says which condition was ignored.
 */
export async function assertConditionalWrites(store: Store, prefix = 'conditional-writes/'): Promise<void> {
  const key = `${prefix}${randomUUID()}`;
  const put = (content: string, condition: PutCondition) =>
    store.put(key, new TextEncoder().encode(content), { condition });
  const expectConflict = async (content: string, condition: PutCondition, what: string): Promise<void> => {
    if ((await put(content, condition)) !== 'conflict') {
      throw new Error(`Expected the store to refuse ${what} but it wrote: it ignores conditional writes`);
    }
  };

  try {
    await expectConflict('never', { ifMatch: absentEtag }, 'If-Match on an absent object');
    const first = await put('first', { ifAbsent: true });
    if (first === 'conflict') throw new Error('Expected the store to write an absent object but it refused');
    await expectConflict('second', { ifAbsent: true }, 'If-None-Match: * on an existing object');
    await expectConflict('second', { ifMatch: absentEtag }, 'If-Match with the etag of another content');
    const second = await put('second', { ifMatch: first.etag });
    if (second === 'conflict')
      throw new Error('Expected the store to replace the object that If-Match names but it refused');
  } finally {
    await store.delete(key);
  }
}

/** MD5 of nothing: the etag of no object that is written here. */
const absentEtag = 'd41d8cd98f00b204e9800998ecf8427e';
