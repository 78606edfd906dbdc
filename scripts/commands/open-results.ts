import { stat } from 'node:fs/promises';
import { createFolderStore } from '#local/folder-store.ts';
import type { Store } from '#pipeline/ports.ts';
import { UsageError } from './exit-codes.ts';
import type { AccountOptions } from './options.ts';
import { fromShell } from './paths.ts';

export type Results = {
  readonly store: Store;
  /** The folder, or undefined when the results are in a bucket. */
  readonly folder?: string;
};

/**
 * Results of a run, wherever they are: a folder as `--out` made it, or `s3://bucket`. The AWS SDK is loaded only for a bucket.
 * @throws UsageError when there is no such folder, or the bucket has a path.
 */
export async function openResults(location: string, account: AccountOptions = {}): Promise<Results> {
  if (location.startsWith('s3://')) {
    const bucket = location.slice('s3://'.length).replace(/\/$/, '');
    if (bucket === '' || bucket.includes('/'))
      throw new UsageError(`Expected s3://bucket, without a path, but received ${location}.`);
    const [{ s3Client }, { createS3Store }] = await Promise.all([
      import('#aws/s3-client.ts'),
      import('#aws/s3-store.ts'),
    ]);
    return { store: createS3Store({ client: s3Client(account), bucket }) };
  }
  const folder = fromShell(location);
  const isFolder = await stat(folder).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder)
    throw new UsageError(`Expected a folder of results, as --out makes it, but there is none at ${location}.`);
  return { store: createFolderStore(folder), folder };
}
