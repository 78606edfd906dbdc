import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { AnyPrincipal, Effect, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import {
  BlockPublicAccess,
  Bucket,
  BucketEncryption,
  type BucketProps,
  type IBucket,
  ObjectOwnership,
} from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import type { Settings } from './settings.ts';

/**
 * Photos in, results out, and who touched them. Private, TLS only, encrypted; faces expire. Two buckets, not two prefixes of one: no
 * result can ever start the pipeline again, and people who upload need no access to results.
 */
export class Buckets extends Construct {
  readonly photos: Bucket;
  readonly results: Bucket;
  readonly accessLogs: Bucket;
  readonly key: Key | undefined;

  constructor(scope: Construct, id: string, { faceDays, logDays, throwAway, encryption }: Settings) {
    super(scope, id);
    const removal: BucketProps = throwAway
      ? { removalPolicy: RemovalPolicy.DESTROY, autoDeleteObjects: true }
      : { removalPolicy: RemovalPolicy.RETAIN };
    const closed: BucketProps = {
      ...removal,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
    };

    this.accessLogs = new Bucket(this, 'AccessLogs', {
      ...closed,
      // S3 delivers access logs only to buckets with S3-managed keys.
      encryption: BucketEncryption.S3_MANAGED,
      lifecycleRules: [{ expiration: Duration.days(logDays), abortIncompleteMultipartUploadAfter: Duration.days(1) }],
    });

    this.key =
      encryption === 'kms'
        ? new Key(this, 'Key', {
            enableKeyRotation: true,
            removalPolicy: removal.removalPolicy ?? RemovalPolicy.RETAIN,
          })
        : undefined;
    const guarded: BucketProps = {
      ...closed,
      ...(this.key
        ? { encryption: BucketEncryption.KMS, encryptionKey: this.key, bucketKeyEnabled: true }
        : { encryption: BucketEncryption.S3_MANAGED }),
      // CDK's class and interface disagree about one optional property under exactOptionalPropertyTypes.
      serverAccessLogsBucket: this.accessLogs as IBucket,
    };
    const abandoned = { abortIncompleteMultipartUploadAfter: Duration.days(1) };

    this.photos = new Bucket(this, 'Photos', {
      ...guarded,
      serverAccessLogsPrefix: 'photos/',
      // A job names the version it is for, so an upload that is overwritten meanwhile is not mixed with its successor.
      versioned: true,
      lifecycleRules: [
        {
          id: 'faces',
          expiration: Duration.days(faceDays),
          noncurrentVersionExpiration: Duration.days(1),
          ...abandoned,
        },
        // What an expired photo leaves in a versioned bucket; S3 allows this only in a rule of its own.
        { id: 'delete-markers', expiredObjectDeleteMarker: true },
      ],
    });

    this.results = new Bucket(this, 'Results', {
      ...guarded,
      serverAccessLogsPrefix: 'results/',
      lifecycleRules: [
        { id: 'faces', prefix: 'unmasked/', expiration: Duration.days(faceDays) },
        { id: 'abandoned-uploads', ...abandoned },
      ],
    });
    this.results.addToResourcePolicy(conditionalWritesOnly(this.results));
  }
}

/**
 * metrics/ is the commit point: of any number of writers exactly one may win. So nobody, not even an administrator by mistake, writes a
 * record without If-None-Match or If-Match. https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
 */
const conditionalWritesOnly = (results: Bucket): PolicyStatement =>
  new PolicyStatement({
    sid: 'ConditionalWritesOnly',
    effect: Effect.DENY,
    principals: [new AnyPrincipal()],
    actions: ['s3:PutObject'],
    resources: [results.arnForObjects('metrics/*')],
    conditions: {
      Null: { 's3:if-none-match': 'true', 's3:if-match': 'true' },
      // Parts of a multipart upload carry no condition; completing it does.
      Bool: { 's3:ObjectCreationOperation': 'true' },
    },
  });
