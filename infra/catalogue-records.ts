import { Duration } from 'aws-cdk-lib';
import { EventType } from 'aws-cdk-lib/aws-s3';
import { SqsDestination } from 'aws-cdk-lib/aws-s3-notifications';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { CatalogueEnvironment } from '../lambdas/environment.ts';
import type { Buckets } from './buckets.ts';
import { allowListing, allowObjects } from './grants.ts';
import { PipelineFunction } from './pipeline-function.ts';
import { closedQueue, feed, visibilityFor } from './queues.ts';
import type { Settings } from './settings.ts';

/** One move of the pointer for so many photos: the manifest is some seconds behind and each photo pays little for it. */
const batch = { size: 500, gather: Duration.seconds(20) };

export type CatalogueRecordsProps = {
  readonly settings: Settings;
  readonly image: string;
  readonly buckets: Buckets;
};

/** metrics/ -> records queue -> catalogue -> manifest/. Any number of writers; two are enough. */
export class CatalogueRecords extends Construct {
  readonly records: Queue;
  readonly lost: Queue;
  readonly catalogue: PipelineFunction;

  constructor(scope: Construct, id: string, { settings, image, buckets }: CatalogueRecordsProps) {
    super(scope, id);
    const { results } = buckets;
    const timeout = Duration.seconds(120);
    // Nothing is lost in it: the records themselves are in metrics/, and the queue can be redriven by hand.
    this.lost = closedQueue(this, 'RecordsDeadLetters');
    this.records = closedQueue(this, 'Records', {
      visibilityTimeout: visibilityFor(timeout, batch.gather),
      deadLetterQueue: { queue: this.lost, maxReceiveCount: settings.maxReceiveCount },
    });
    results.addEventNotification(EventType.OBJECT_CREATED, new SqsDestination(this.records), { prefix: 'metrics/' });

    this.catalogue = new PipelineFunction(this, 'Catalogue', {
      settings,
      image,
      handler: 'catalogue',
      // Holds every line of the manifest while it adds them up: about 1 kB a photo.
      memoryMb: 1024,
      timeout,
      environment: { RESULTS_BUCKET: results.bucketName } satisfies CatalogueEnvironment,
    });
    const { role } = this.catalogue;
    allowObjects(role, results, 'metrics/', 's3:GetObject');
    // Deleting is for a rebuild, which drops the old pointer and old segments.
    allowObjects(role, results, 'manifest/', 's3:GetObject', 's3:PutObject', 's3:DeleteObject');
    allowListing(role, results, 'metrics/', 'manifest/');
    feed(this.catalogue, this.records, { batchSize: batch.size, maxConcurrency: 2, gather: batch.gather });
  }
}
