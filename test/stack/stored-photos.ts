import { PutObjectCommand } from '@aws-sdk/client-s3';
import { createS3Store } from '#aws/s3-store.ts';
import { catalogue } from '#pipeline/catalogue.ts';
import type { MetricsRecord } from '#pipeline/metrics-record.ts';
import { metricsKey, unmaskedKey } from '#pipeline/photo.ts';
import { createTestClock, recordOf } from '../pipeline/factories.ts';
import type { InProcessAccount } from './in-process-account.ts';

const clock = createTestClock();

/** Puts an object into the photos bucket and answers its version. */
export async function upload({ server, stack }: InProcessAccount, key: string, body = key): Promise<string> {
  const put = new PutObjectCommand({ Bucket: stack.photosBucket, Key: key, Body: body });
  return (await server.s3.send(put)).VersionId ?? '';
}

export const resultsOf = ({ server, stack }: InProcessAccount) =>
  createS3Store({ client: server.s3, bucket: stack.resultsBucket });

/** Records as the pipeline leaves them, with the unmasked photo where there is one, and a manifest of all of them. */
export async function record(account: InProcessAccount, ...records: readonly MetricsRecord[]): Promise<void> {
  const results = resultsOf(account);
  for (const one of records) {
    const { key } = one.photo;
    await results.put(metricsKey(key), new TextEncoder().encode(JSON.stringify(one)));
    if (one.status === 'unmasked') await results.put(unmaskedKey(key), new TextEncoder().encode('unmasked'));
  }
  await catalogue(records, { results, clock });
}

export const recordFor = (key: string, versionId: string, changes: Partial<MetricsRecord> = {}): MetricsRecord =>
  recordOf({ jobId: `${key} ${versionId}`, photo: { ...recordOf().photo, key, versionId }, ...changes });
