import { Duration } from 'aws-cdk-lib';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { UnmaskEnvironment } from '../lambdas/environment.ts';
import type { Buckets } from './buckets.ts';
import { allowListing, allowObjects } from './grants.ts';
import { PipelineFunction } from './pipeline-function.ts';
import { closedQueue, feed, visibilityFor } from './queues.ts';
import type { Settings } from './settings.ts';

export type UnmaskJobsProps = {
  readonly settings: Settings;
  readonly image: string;
  readonly buckets: Buckets;
  readonly deadLetters: Queue;
};

/** jobs -> unmask -> unmasked/ and metrics/. A job that fails again and again goes to the dead letters. */
export class UnmaskJobs extends Construct {
  readonly jobs: Queue;
  readonly unmask: PipelineFunction;

  constructor(scope: Construct, id: string, { settings, image, buckets, deadLetters }: UnmaskJobsProps) {
    super(scope, id);
    const { photos, results } = buckets;
    const timeout = Duration.seconds(settings.unmaskTimeoutSeconds);
    this.jobs = closedQueue(this, 'Jobs', {
      visibilityTimeout: visibilityFor(timeout),
      deadLetterQueue: { queue: deadLetters, maxReceiveCount: settings.maxReceiveCount },
    });
    this.unmask = new PipelineFunction(this, 'Unmask', {
      settings,
      image,
      handler: 'unmask',
      memoryMb: settings.unmaskMemoryMb,
      timeout,
      environment: {
        PHOTOS_BUCKET: photos.bucketName,
        RESULTS_BUCKET: results.bucketName,
        MODEL: settings.model,
        DENOISE: settings.denoise,
        MAX_MEGAPIXELS: String(settings.maxMegapixels),
        TIME_GUARD_SECONDS: String(settings.timeGuardSeconds),
      } satisfies UnmaskEnvironment,
    });
    const { role } = this.unmask;
    allowObjects(role, photos, 'photos/', 's3:GetObject', 's3:GetObjectVersion');
    allowObjects(role, photos, 'references/', 's3:GetObject');
    allowListing(role, photos, 'photos/', 'references/');
    allowObjects(role, results, 'unmasked/', 's3:PutObject', 's3:DeleteObject');
    allowObjects(role, results, 'metrics/', 's3:GetObject', 's3:PutObject');
    allowListing(role, results, 'metrics/');

    const { batchSize, maxConcurrency } = settings;
    feed(this.unmask, this.jobs, { batchSize, maxConcurrency });
  }
}
