import type { ObjectSummary, Store, StoredObject } from './ports.ts';

/** S3 answers some milliseconds after it was asked; so many questions at once keep the line busy. */
const readsAtOnce = 25;

export type StoredRecord = { readonly key: string; readonly stored: StoredObject };

/**
 * What lies under metrics/, in no order, as it was when it was read; what is deleted meanwhile is left out. One LIST per 1,000 objects
 * and one GET each, 25 at once.
 */
export async function eachStoredRecord(results: Store, take: (record: StoredRecord) => void): Promise<void> {
  const listing = results.list('metrics/')[Symbol.asyncIterator]();
  const worker = async () => {
    for (;;) {
      const next: IteratorResult<ObjectSummary, unknown> = await listing.next();
      if (next.done) return;
      const { key } = next.value;
      const stored = await results.get(key);
      if (stored) take({ key, stored });
    }
  };
  await Promise.all(Array.from({ length: readsAtOnce }, worker));
}
