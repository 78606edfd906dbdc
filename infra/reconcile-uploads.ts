import { Duration } from 'aws-cdk-lib';
import { Rule, RuleTargetInput, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import type { ReconcileEnvironment } from '../lambdas/environment.ts';
import type { Buckets } from './buckets.ts';
import { allowListing, allowObjects } from './grants.ts';
import { PipelineFunction } from './pipeline-function.ts';
import type { Settings } from './settings.ts';

export type ReconcileUploadsProps = {
  readonly settings: Settings;
  readonly image: string;
  readonly buckets: Buckets;
  readonly check: PipelineFunction;
};

/** every few hours -> reconcile -> check. S3 delivers events at least once, nearly always: this finds the uploads that fell through. */
export class ReconcileUploads extends Construct {
  readonly reconcile: PipelineFunction;

  constructor(scope: Construct, id: string, { settings, image, buckets, check }: ReconcileUploadsProps) {
    super(scope, id);
    const { photos, results } = buckets;
    this.reconcile = new PipelineFunction(this, 'Reconcile', {
      settings,
      image,
      handler: 'reconcile',
      // Holds the key of every record: about 200 bytes a photo.
      memoryMb: 1024,
      timeout: Duration.minutes(15),
      environment: {
        PHOTOS_BUCKET: photos.bucketName,
        RESULTS_BUCKET: results.bucketName,
        CHECK_FUNCTION: check.function.functionName,
      } satisfies ReconcileEnvironment,
    });
    const { role } = this.reconcile;
    // HEAD only: LIST does not tell the version.
    allowObjects(role, photos, 'photos/', 's3:GetObject');
    allowListing(role, photos, 'photos/');
    allowObjects(role, results, 'metrics/', 's3:GetObject');
    allowListing(role, results, 'metrics/');
    role.addToPolicy(
      new PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: [check.function.functionArn] }),
    );

    new Rule(this, 'Schedule', {
      schedule: Schedule.rate(Duration.hours(settings.reconcileHours)),
      targets: [
        new LambdaFunction(this.reconcile.function, {
          event: RuleTargetInput.fromObject({ failed: false }),
          retryAttempts: 0,
        }),
      ],
    });
  }
}
