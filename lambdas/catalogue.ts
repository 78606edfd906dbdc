import { type BatchResponse, batchResponse, createdObjectsIn, type QueueRecord, queueRecords } from '#aws/events.ts';
import { type CatalogueTools, catalogue as fold } from '#pipeline/catalogue.ts';
import { type MetricsRecord, parseMetricsRecord } from '#pipeline/metrics-record.ts';
import { rebuildManifest } from '#pipeline/rebuild-manifest.ts';
import { eachRecord } from './each-record.ts';
import type { Observer } from './observe.ts';

/** Notifications of new metrics records -> all of them folded into the manifest at once. A record that cannot be read goes back alone. */
export async function catalogue(
  event: unknown,
  tools: CatalogueTools & { readonly observer: Observer },
): Promise<BatchResponse> {
  const { results, observer, clock } = tools;
  const records: MetricsRecord[] = [];
  const read = async (message: QueueRecord) => {
    for (const { key } of createdObjectsIn(message)) {
      const stored = await results.get(key); // A record that was deleted meanwhile is nobody's.
      if (stored) records.push(parseMetricsRecord(stored.bytes));
    }
  };
  const outcomes = await eachRecord(queueRecords(event), read, { observer, atOnce: 25 });
  if (records.length > 0) observer.catalogued(await fold(records, tools), records, clock.now());
  return batchResponse(outcomes);
}

/** A person's `{"rebuild": true}` -> the manifest made anew from the records, without those that were deleted. */
export async function rebuild({ results, clock, observer }: CatalogueTools & { readonly observer: Observer }) {
  const manifest = await rebuildManifest({ results, clock });
  observer.catalogued(manifest, [], clock.now());
  return manifest.counts;
}
