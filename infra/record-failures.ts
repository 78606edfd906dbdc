import { Duration } from 'aws-cdk-lib';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { DeadLetterEnvironment } from '../lambdas/environment.ts';
import type { Buckets } from './buckets.ts';
import { allowListing, allowObjects } from './grants.ts';
import { PipelineFunction } from './pipeline-function.ts';
import { closedQueue, feed, visibilityFor } from './queues.ts';
import type { Settings } from './settings.ts';

export type RecordFailuresProps = {
  readonly settings: Settings;
  readonly image: string;
  readonly buckets: Buckets;
};

/**
 * dead letters -> `failed` record, so that the counts still add up. The record is what is kept, and what a redrive starts from (the
 * reconciler with `failed`): a queue that somebody consumes has nothing left to move back, and one that nobody consumes leaves photos
 * without an ending. Letters that cannot even be recorded stay 14 days, under an alarm.
 */
export class RecordFailures extends Construct {
  readonly deadLetters: Queue;
  readonly record: PipelineFunction;

  constructor(scope: Construct, id: string, { settings, image, buckets }: RecordFailuresProps) {
    super(scope, id);
    const { photos, results } = buckets;
    const timeout = Duration.seconds(30);
    this.deadLetters = closedQueue(this, 'DeadLetters', { visibilityTimeout: visibilityFor(timeout) });
    this.record = new PipelineFunction(this, 'Record', {
      settings,
      image,
      handler: 'dead-letter',
      memoryMb: 512,
      timeout,
      environment: {
        PHOTOS_BUCKET: photos.bucketName,
        RESULTS_BUCKET: results.bucketName,
        MODEL: settings.model,
        DENOISE: settings.denoise,
      } satisfies DeadLetterEnvironment,
    });
    const { role } = this.record;
    // HEAD only: whether a newer upload has taken the failed one's place.
    allowObjects(role, photos, 'photos/', 's3:GetObject');
    allowListing(role, photos, 'photos/');
    allowObjects(role, results, 'metrics/', 's3:GetObject', 's3:PutObject');
    allowListing(role, results, 'metrics/');
    allowObjects(role, results, 'unmasked/', 's3:DeleteObject');
    feed(this.record, this.deadLetters, { batchSize: 10, maxConcurrency: 2 });
  }
}
