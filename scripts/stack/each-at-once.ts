export type AtOnceOptions = {
  readonly atOnce: number;
  /** Once it is aborted, nothing more is begun. */
  readonly signal?: AbortSignal;
};

/**
 * Does the work for each item, several at once, in their order. After the first failure, or the signal, nothing more is begun; what is in
 * hand is finished.
 * @throws what the first work that failed threw.
 */
export async function eachAtOnce<Item>(
  items: Iterable<Item> | AsyncIterable<Item>,
  { atOnce, signal }: AtOnceOptions,
  work: (item: Item) => Promise<unknown>,
): Promise<void> {
  const waiting = toAsync(items);
  const failures: unknown[] = [];
  const worker = async () => {
    while (failures.length === 0 && !signal?.aborted) {
      const next = await waiting.next();
      if (next.done || signal?.aborted) return;
      await work(next.value);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, () => worker().catch((error) => failures.push(error))));
  if (failures.length > 0) throw failures[0];
}

async function* toAsync<Item>(items: Iterable<Item> | AsyncIterable<Item>): AsyncGenerator<Item> {
  yield* items;
}
