import { createCheckFunction } from '#aws/check-function.ts';
import { lambdaClient, s3Client } from '#aws/clients.ts';
import { type DeployedStack, findStack } from '#aws/find-stack.ts';
import { createObjectVersions, type ObjectVersions } from '#aws/object-versions.ts';
import { createPhotoUploads, type PhotoUploads } from '#aws/photo-uploads.ts';
import { createS3Store } from '#aws/s3-store.ts';
import type { PhotoReference } from '#pipeline/photo.ts';
import type { Store } from '#pipeline/ports.ts';
import type { StackOptions } from '../commands/options.ts';

/** A deployed stack with what the commands do to it. */
export type OpenStack = DeployedStack & {
  readonly photos: Store;
  readonly results: Store;
  readonly uploads: PhotoUploads;
  readonly photoVersions: ObjectVersions;
  readonly resultVersions: ObjectVersions;
  /** Has the upload checked again, as if it had just arrived. */
  readonly checkAgain: (photo: PhotoReference) => Promise<void>;
};

/**
 * Does the work with the stack that was asked for.
 * @throws AwsError when the stack cannot be found; and what AWS says on the way, which the CLI explains.
 */
export async function withStack(options: StackOptions, work: (stack: OpenStack) => Promise<void>): Promise<void> {
  const stack = await findStack(options);
  const { region, photosBucket, resultsBucket, checkFunction } = stack;
  const account = { ...options, region };
  const client = s3Client(account);
  const open: OpenStack = {
    ...stack,
    photos: createS3Store({ client, bucket: photosBucket }),
    results: createS3Store({ client, bucket: resultsBucket }),
    uploads: createPhotoUploads({ client, bucket: photosBucket }),
    photoVersions: createObjectVersions({ client, bucket: photosBucket }),
    resultVersions: createObjectVersions({ client, bucket: resultsBucket }),
    checkAgain: createCheckFunction({ client: lambdaClient(account), name: checkFunction }),
  };
  await work(open);
}
