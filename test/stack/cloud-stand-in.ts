import { createHash } from 'node:crypto';
import { createdObjects } from '#aws/events.ts';
import { createS3Store } from '#aws/s3-store.ts';
import { systemClock } from '#local/system-clock.ts';
import { catalogue } from '#pipeline/catalogue.ts';
import { commitRecord } from '#pipeline/commit-record.ts';
import type { MetricsRecord } from '#pipeline/metrics-record.ts';
import { type PhotoReference, unmaskedKey } from '#pipeline/photo.ts';
import type { InProcessAccount } from './in-process-account.ts';
import { recordFor } from './stored-photos.ts';

const unmaskedBytes = (key: string) => new TextEncoder().encode(`unmasked ${key}`);

/**
 * Answers every upload under photos/ as the functions do, without looking at it: an unmasked photo, a record by the pipeline's own commit, a
 * line in the manifest. `change` says what else is true of a record, or that no record comes (undefined).
 */
export function standInForTheCloud(
  { server, stack }: InProcessAccount,
  change: (key: string) => Partial<MetricsRecord> | undefined = () => ({}),
) {
  const uploads: PhotoReference[] = [];
  const photos = createS3Store({ client: server.s3, bucket: stack.photosBucket });
  const results = createS3Store({ client: server.s3, bucket: stack.resultsBucket });
  let working: Promise<unknown> = Promise.resolve();

  const work = async (photo: PhotoReference) => {
    const changes = change(photo.key);
    if (!changes) return;
    const bytes = unmaskedBytes(photo.key);
    const unmasked = {
      key: unmaskedKey(photo.key),
      bytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    };
    const isUnmasked = (changes.status ?? 'unmasked') === 'unmasked';
    const record = recordFor(photo.key, photo.versionId ?? '', {
      status: 'unmasked',
      ...(isUnmasked && { unmasked }),
      createdAt: new Date().toISOString(),
      ...changes,
    });
    if (isUnmasked) await results.put(unmasked.key, bytes);
    await commitRecord(record, photo, { photos, results });
    await catalogue([record], { results, clock: systemClock });
  };
  const stop = server.onObjectCreated((event) => {
    for (const photo of createdObjects(event)) {
      if (photo.bucket !== stack.photosBucket) continue;
      uploads.push(photo);
      if (photo.key.startsWith('photos/')) working = working.then(() => work(photo));
    }
  });
  return { uploads, stop };
}
