import { CfnOutput, Stack, type StackProps, Validations } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import type { StackOutputs } from '../lambdas/aws/find-stack.ts';
import { Buckets } from './buckets.ts';
import { CatalogueRecords } from './catalogue-records.ts';
import { CheckUploads } from './check-uploads.ts';
import { ReconcileUploads } from './reconcile-uploads.ts';
import { RecordFailures } from './record-failures.ts';
import type { Settings } from './settings.ts';
import { UnmaskJobs } from './unmask-jobs.ts';
import { Watch } from './watch.ts';

export type UnmaskStackProps = StackProps & {
  readonly settings: Settings;
  /** Folder of the container image, as scripts/bundle.ts makes it. */
  readonly image: string;
};

/**
 * The whole cloud.
 *
 *     photos/ ─> check ─> jobs ─> unmask ─> unmasked/, metrics/ ─> records ─> catalogue ─> manifest/
 *                  │ fails          │ fails                                      ▲
 *                  └─> dead letters <┘ ─> record ─> metrics/ (status failed) ─────┘
 *     every few hours: reconcile ─> check, for uploads that have no record
 */
export class UnmaskStack extends Stack {
  constructor(scope: Construct, id: string, { settings, image, ...props }: UnmaskStackProps) {
    super(scope, id, { description: 'Takes face masks off people in photos (Unmask).', ...props });

    const buckets = new Buckets(this, 'Buckets', settings);
    const { deadLetters, record } = new RecordFailures(this, 'RecordFailures', { settings, image, buckets });
    const { jobs, unmask } = new UnmaskJobs(this, 'UnmaskJobs', { settings, image, buckets, deadLetters });
    const { check } = new CheckUploads(this, 'CheckUploads', { settings, image, buckets, jobs, deadLetters });
    const { records, lost, catalogue } = new CatalogueRecords(this, 'CatalogueRecords', { settings, image, buckets });
    const { reconcile } = new ReconcileUploads(this, 'ReconcileUploads', { settings, image, buckets, check });
    const { dashboard } = new Watch(this, 'Watch', {
      settings,
      functions: { check, unmask, record, catalogue, reconcile },
      queues: { jobs, deadLetters, records, lost },
    });

    acknowledgeCdkOwn(this);

    const { photos, results } = buckets;
    // What the commands for a deployed stack find it by.
    const outputs = {
      PhotosBucket: photos.bucketName,
      ResultsBucket: results.bucketName,
      JobsQueue: jobs.queueUrl,
      DeadLetterQueue: deadLetters.queueUrl,
      RecordsQueue: records.queueUrl,
      CheckFunction: check.function.functionName,
      UnmaskFunction: unmask.function.functionName,
      CatalogueFunction: catalogue.function.functionName,
      ReconcileFunction: reconcile.function.functionName,
      Dashboard: `https://${this.region}.console.aws.amazon.com/cloudwatch/home?region=${this.region}#dashboards:name=${dashboard.dashboardName}`,
      Architecture: settings.architecture,
      UnmaskMemoryMb: String(settings.unmaskMemoryMb),
    } satisfies StackOutputs;
    for (const [name, value] of Object.entries(outputs)) new CfnOutput(this, name, { value });
    new CfnOutput(this, 'TryIt', {
      description: 'Upload the example photos.',
      value: `aws s3 cp examples/photos s3://${photos.bucketName}/photos/ --recursive --region ${this.region}`,
    });
    new CfnOutput(this, 'Fetch', {
      description: 'Fetch the unmasked photos, metrics and manifest.',
      value: `aws s3 sync s3://${results.bucketName} out --region ${this.region}`,
    });
    new CfnOutput(this, 'Redrive', {
      description: 'Try every failed photo again.',
      value: `aws lambda invoke --function-name ${reconcile.function.functionName} --cli-binary-format raw-in-base64-out --payload '{"failed":true}' --region ${this.region} /dev/stdout`,
    });
    new CfnOutput(this, 'RebuildManifest', {
      description: 'Make the manifest anew from the records, without those that were deleted.',
      value: `aws lambda invoke --function-name ${catalogue.function.functionName} --cli-binary-format raw-in-base64-out --payload '{"rebuild":true}' --region ${this.region} /dev/stdout`,
    });
  }
}

/** The CDK's own helpers, which set notifications and empty throw-away buckets while a deployment runs, are not ours to rewrite. */
function acknowledgeCdkOwn(stack: Stack): void {
  Validations.of(stack).acknowledge({
    id: 'AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole]',
    reason:
      "Only the CDK's own deployment helpers use it, to write their logs; our functions have policies of their own.",
  });
}
