import { Match, type Template } from 'aws-cdk-lib/assertions';
import { beforeAll, expect, test } from 'vitest';
import { grantsOf } from './grants-of.ts';
import { synthesise } from './synthesise.ts';

let template: Template;

beforeAll(() => {
  template = synthesise({
    throwAway: 'true',
    encryption: 'kms',
    architecture: 'arm64',
    faceDays: '7',
    email: 'somebody@example.org',
    monthlyBudgetUsd: '5',
    maxConcurrency: '9',
  }).template();
}, 120_000);

test('throw-away buckets are emptied and deleted with the stack', () => {
  for (const bucket of Object.values(template.findResources('AWS::S3::Bucket'))) {
    expect(bucket.DeletionPolicy).toBe('Delete');
  }
  template.resourceCountIs('Custom::S3AutoDeleteObjects', 3);
});

test('a key of its own encrypts both buckets with bucket keys, and functions use it through S3 only', () => {
  template.hasResourceProperties('AWS::KMS::Key', { EnableKeyRotation: true });
  template.resourcePropertiesCountIs(
    'AWS::S3::Bucket',
    {
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [
          {
            BucketKeyEnabled: true,
            ServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: Match.anyValue() },
          },
        ],
      },
    },
    2,
  );
  const keyLines = Object.entries(grantsOf(template.toJSON().Resources)).flatMap(([role, lines]) =>
    lines.filter((line) => line.includes('kms:')).map((line) => `${role} ${line}`),
  );
  expect(keyLines).toHaveLength(5);
  for (const line of keyLines) expect(line).toContain('"kms:ViaService"');
});

test('arm64 functions are built for arm64', () => {
  for (const { Properties } of Object.values(template.findResources('AWS::Lambda::Function'))) {
    if (Properties.PackageType === 'Image') expect(Properties.Architectures).toEqual(['arm64']);
  }
});

test('other numbers reach their resources', () => {
  template.hasResourceProperties('AWS::S3::Bucket', {
    LifecycleConfiguration: { Rules: Match.arrayWith([Match.objectLike({ ExpirationInDays: 7 })]) },
  });
  template.hasResourceProperties('AWS::Lambda::EventSourceMapping', { ScalingConfig: { MaximumConcurrency: 9 } });
});

test('with an e-mail address every alarm is sent there, and the budget too', () => {
  template.hasResourceProperties('AWS::SNS::Subscription', { Protocol: 'email', Endpoint: 'somebody@example.org' });
  for (const { Properties } of Object.values(template.findResources('AWS::CloudWatch::Alarm'))) {
    expect(Properties.AlarmActions).toHaveLength(1);
  }
  template.hasResourceProperties('AWS::Budgets::Budget', { Budget: { BudgetLimit: { Amount: 5, Unit: 'USD' } } });
});
