import { Duration } from 'aws-cdk-lib';
import { CfnEventInvokeConfig } from 'aws-cdk-lib/aws-lambda';
import { EventType } from 'aws-cdk-lib/aws-s3';
import { LambdaDestination } from 'aws-cdk-lib/aws-s3-notifications';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { CheckEnvironment } from '../lambdas/environment.ts';
import type { Buckets } from './buckets.ts';
import { allowListing, allowObjects, allowSending } from './grants.ts';
import { PipelineFunction } from './pipeline-function.ts';
import type { Settings } from './settings.ts';

export type CheckUploadsProps = {
  readonly settings: Settings;
  readonly image: string;
  readonly buckets: Buckets;
  readonly jobs: Queue;
  readonly deadLetters: Queue;
};

/** photos/ -> check -> jobs. Asynchronous: AWS tries a failed check twice more, then hands the event to the dead letters. */
export class CheckUploads extends Construct {
  readonly check: PipelineFunction;

  constructor(scope: Construct, id: string, { settings, image, buckets, jobs, deadLetters }: CheckUploadsProps) {
    super(scope, id);
    const { photos, results } = buckets;
    this.check = new PipelineFunction(this, 'Check', {
      settings,
      image,
      handler: 'check',
      memoryMb: settings.checkMemoryMb,
      timeout: Duration.seconds(settings.checkTimeoutSeconds),
      environment: {
        PHOTOS_BUCKET: photos.bucketName,
        RESULTS_BUCKET: results.bucketName,
        JOBS_QUEUE_URL: jobs.queueUrl,
        MODEL: settings.model,
        DENOISE: settings.denoise,
        MAX_MEGAPIXELS: String(settings.maxMegapixels),
      } satisfies CheckEnvironment,
    });
    const { role } = this.check;
    allowObjects(role, photos, 'photos/', 's3:GetObject', 's3:GetObjectVersion');
    allowListing(role, photos, 'photos/');
    allowObjects(role, results, 'metrics/', 's3:GetObject', 's3:PutObject');
    allowListing(role, results, 'metrics/');
    // An upload that held a mask and now does not must not keep its old unmasked photo.
    allowObjects(role, results, 'unmasked/', 's3:DeleteObject');
    allowSending(role, jobs);

    photos.addEventNotification(EventType.OBJECT_CREATED, new LambdaDestination(this.check.function), {
      prefix: 'photos/',
    });
    allowSending(role, deadLetters);
    new CfnEventInvokeConfig(this, 'Retries', {
      functionName: this.check.function.functionName,
      qualifier: '$LATEST',
      maximumRetryAttempts: 2,
      // A bulk upload waits here while all functions are busy; six hours is the most that AWS allows.
      maximumEventAgeInSeconds: Duration.hours(6).toSeconds(),
      destinationConfig: { onFailure: { destination: deadLetters.queueArn } },
    });
  }
}
