import { Stack, Validations } from 'aws-cdk-lib';
import { PolicyStatement, type Role } from 'aws-cdk-lib/aws-iam';
import { type Bucket, CfnBucket } from 'aws-cdk-lib/aws-s3';
import type { Queue } from 'aws-cdk-lib/aws-sqs';

/** What lies where in the two buckets. */
export type Prefix = 'photos/' | 'references/' | 'unmasked/' | 'metrics/' | 'manifest/';

type ObjectAction = 's3:GetObject' | 's3:GetObjectVersion' | 's3:PutObject' | 's3:DeleteObject';

/** These actions on every object under the prefix, and on nothing else. With a key of its own, the bucket is that key's only door. */
export function allowObjects(role: Role, bucket: Bucket, prefix: Prefix, ...actions: readonly ObjectAction[]): void {
  role.addToPolicy(new PolicyStatement({ actions: [...actions], resources: [bucket.arnForObjects(`${prefix}*`)] }));
  Validations.of(role).acknowledge({
    id: `AwsSolutions-IAM5[Resource::<${logicalIdOf(bucket)}.Arn>/${prefix}*]`,
    reason: `People name the objects under ${prefix} as they like; the function reaches no other prefix by this statement.`,
  });
  const { encryptionKey } = bucket;
  const keyActions = [
    ...(actions.some((action) => action.startsWith('s3:Get')) ? ['kms:Decrypt'] : []),
    ...(actions.includes('s3:PutObject') ? ['kms:GenerateDataKey'] : []),
  ];
  if (!encryptionKey || keyActions.length === 0) return;
  const { region, urlSuffix } = Stack.of(role);
  const conditions = { StringEquals: { 'kms:ViaService': `s3.${region}.${urlSuffix}` } };
  role.addToPolicy(new PolicyStatement({ actions: keyActions, resources: [encryptionKey.keyArn], conditions }));
}

/**
 * LIST under the prefixes; and an honest 404 for a key that is not there. Without s3:ListBucket S3 answers 403 for those, and the steps
 * could not tell absent from forbidden. A GET carries no s3:prefix: hence IfExists.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
 */
export function allowListing(role: Role, bucket: Bucket, ...prefixes: readonly Prefix[]): void {
  role.addToPolicy(
    new PolicyStatement({
      actions: ['s3:ListBucket'],
      resources: [bucket.bucketArn],
      conditions: { StringLikeIfExists: { 's3:prefix': prefixes.map((prefix) => `${prefix}*`) } },
    }),
  );
}

export function allowSending(role: Role, queue: Queue): void {
  role.addToPolicy(new PolicyStatement({ actions: ['sqs:SendMessage'], resources: [queue.queueArn] }));
}

/** What an event source mapping does on behalf of the function. */
export function allowConsuming(role: Role, queue: Queue): void {
  role.addToPolicy(
    new PolicyStatement({
      actions: ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'],
      resources: [queue.queueArn],
    }),
  );
}

function logicalIdOf(bucket: Bucket): string {
  const resource = bucket.node.defaultChild;
  if (!(resource instanceof CfnBucket)) throw new Error(`Expected a bucket of this stack but received ${bucket}.`);
  return Stack.of(bucket).getLogicalId(resource);
}
