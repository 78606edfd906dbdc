import { Match, type Template } from 'aws-cdk-lib/assertions';
import { beforeAll, describe, expect, test } from 'vitest';
import { alarms as billedAlarms } from '../../scripts/stack/month-bill.ts';
import { grantsOf, plainName, text } from './grants-of.ts';
import { synthesise } from './synthesise.ts';

let template: Template;
let grants: Record<string, string[]>;

beforeAll(() => {
  template = synthesise().template();
  grants = grantsOf(template.toJSON().Resources);
}, 120_000);

const own = ['logs:CreateLogStream', 'xray:PutTelemetryRecords'];
const grantsFor = (role: string) => grants[role]?.filter((line) => !own.some((action) => line.includes(action)));
const listing = (...prefixes: string[]) => ` if ${JSON.stringify({ StringLikeIfExists: { 's3:prefix': prefixes } })}`;
const functionNamed = (command: string) => {
  const found = Object.entries(template.findResources('AWS::Lambda::Function')).find(
    ([, { Properties }]) => Properties.ImageConfig?.Command[0] === command,
  );
  if (!found) throw new Error(`Expected a function for ${command}.`);
  return { id: found[0], ...found[1].Properties };
};

describe('who may do what', () => {
  test('check reads photos, writes records, queues jobs, and hands what failed to the dead letters', () => {
    expect(grantsFor('CheckUploadsCheckRole')).toEqual([
      'BucketsPhotos/photos/*: s3:GetObject, s3:GetObjectVersion',
      `BucketsPhotos: s3:ListBucket${listing('photos/*')}`,
      'BucketsResults/metrics/*: s3:GetObject, s3:PutObject',
      `BucketsResults: s3:ListBucket${listing('metrics/*')}`,
      'BucketsResults/unmasked/*: s3:DeleteObject',
      'RecordFailuresDeadLetters, UnmaskJobs: sqs:SendMessage',
    ]);
  });

  test('unmask takes jobs, reads photos and references, writes unmasked photos and records', () => {
    expect(grantsFor('UnmaskJobsUnmaskRole')).toEqual([
      'BucketsPhotos/photos/*: s3:GetObject, s3:GetObjectVersion',
      'BucketsPhotos/references/*: s3:GetObject',
      `BucketsPhotos: s3:ListBucket${listing('photos/*', 'references/*')}`,
      'BucketsResults/unmasked/*: s3:DeleteObject, s3:PutObject',
      'BucketsResults/metrics/*: s3:GetObject, s3:PutObject',
      `BucketsResults: s3:ListBucket${listing('metrics/*')}`,
      'UnmaskJobs: sqs:DeleteMessage, sqs:GetQueueAttributes, sqs:ReceiveMessage',
    ]);
  });

  test('record takes dead letters and writes records', () => {
    expect(grantsFor('RecordFailuresRecordRole')).toEqual([
      'BucketsPhotos/photos/*: s3:GetObject',
      `BucketsPhotos: s3:ListBucket${listing('photos/*')}`,
      'BucketsResults/metrics/*: s3:GetObject, s3:PutObject',
      `BucketsResults: s3:ListBucket${listing('metrics/*')}`,
      'BucketsResults/unmasked/*: s3:DeleteObject',
      'RecordFailuresDeadLetters: sqs:DeleteMessage, sqs:GetQueueAttributes, sqs:ReceiveMessage',
    ]);
  });

  test('catalogue reads records and writes the manifest', () => {
    expect(grantsFor('CatalogueRecordsCatalogueRole')).toEqual([
      'BucketsResults/metrics/*: s3:GetObject',
      'BucketsResults/manifest/*: s3:DeleteObject, s3:GetObject, s3:PutObject',
      `BucketsResults: s3:ListBucket${listing('metrics/*', 'manifest/*')}`,
      'CatalogueRecords: sqs:DeleteMessage, sqs:GetQueueAttributes, sqs:ReceiveMessage',
    ]);
  });

  test('reconcile lists photos and records, and calls check', () => {
    expect(grantsFor('ReconcileUploadsReconcileRole')).toEqual([
      'BucketsPhotos/photos/*, BucketsResults/metrics/*: s3:GetObject',
      `BucketsPhotos: s3:ListBucket${listing('photos/*')}`,
      `BucketsResults: s3:ListBucket${listing('metrics/*')}`,
      'CheckUploadsCheckFunction: lambda:InvokeFunction',
    ]);
  });

  test('every function writes its own log and its traces, and nobody else has a policy but the helper that sets notifications', () => {
    for (const [role, lines] of Object.entries(grants)) {
      if (role.startsWith('BucketNotificationsHandler')) {
        expect(lines).toEqual(['BucketsPhotos: s3:PutBucketNotification', 'BucketsResults: s3:PutBucketNotification']);
        continue;
      }
      expect(lines.slice(0, 2)).toEqual([
        `${role.replace(/Role$/, 'Logs')}: logs:CreateLogStream, logs:PutLogEvents`,
        '*: xray:PutTelemetryRecords, xray:PutTraceSegments',
      ]);
    }
    expect(Object.keys(grants)).toHaveLength(6);
  });
});

describe('no loop', () => {
  test('nothing that runs may write to the photos bucket', () => {
    const writers = Object.values(grants)
      .flat()
      .filter((line) => line.includes('BucketsPhotos') && /s3:(Put(?!BucketNotification)|Delete|Copy)/.test(line));
    expect(writers).toEqual([]);
  });

  test('only uploads under photos/ start the check, and only records the catalogue, which writes none', () => {
    const notifications = Object.values(template.findResources('Custom::S3BucketNotifications')).map(
      ({ Properties }) => ({
        bucket: text(Properties.BucketName),
        to: Object.values(Properties.NotificationConfiguration)
          .flat()
          .map((rule) => JSON.parse(JSON.stringify(rule)))
          .map((rule) => `${rule.Filter.Key.FilterRules[0].Value} -> ${text(rule.LambdaFunctionArn ?? rule.QueueArn)}`),
      }),
    );
    expect(notifications).toEqual([
      { bucket: 'BucketsPhotos', to: ['photos/ -> CheckUploadsCheckFunction'] },
      { bucket: 'BucketsResults', to: ['metrics/ -> CatalogueRecords'] },
    ]);
    expect(grantsFor('CatalogueRecordsCatalogueRole')?.join('\n')).not.toMatch(/metrics\/\*: .*Put/);
  });
});

describe('buckets', () => {
  test.each(['BucketsPhotos', 'BucketsResults', 'BucketsAccessLogs'])('%s is private, encrypted and kept', (name) => {
    const bucket = Object.entries(template.findResources('AWS::S3::Bucket')).find(
      ([id]) => plainName(id) === name,
    )?.[1];
    expect(bucket).toMatchObject({
      DeletionPolicy: 'Retain',
      UpdateReplacePolicy: 'Retain',
      Properties: {
        BucketEncryption: {
          ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }],
        },
        OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
        PublicAccessBlockConfiguration: {
          BlockPublicAcls: true,
          BlockPublicPolicy: true,
          IgnorePublicAcls: true,
          RestrictPublicBuckets: true,
        },
      },
    });
  });

  test('every bucket refuses requests without TLS', () => {
    for (const { Properties } of Object.values(template.findResources('AWS::S3::BucketPolicy'))) {
      const denials = Properties.PolicyDocument.Statement.filter(
        (statement: { Effect: string }) => statement.Effect === 'Deny',
      );
      expect(denials).toContainEqual(
        expect.objectContaining({ Action: 's3:*', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }),
      );
    }
    template.resourceCountIs('AWS::S3::BucketPolicy', 3);
  });

  test('photos keep their versions, and faces leave after 30 days in both buckets', () => {
    template.hasResourceProperties('AWS::S3::Bucket', {
      VersioningConfiguration: { Status: 'Enabled' },
      LoggingConfiguration: { LogFilePrefix: 'photos/' },
      LifecycleConfiguration: {
        Rules: [
          Match.objectLike({
            ExpirationInDays: 30,
            NoncurrentVersionExpiration: { NoncurrentDays: 1 },
            AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 },
            Prefix: Match.absent(),
          }),
          Match.objectLike({ ExpiredObjectDeleteMarker: true }),
        ],
      },
    });
    template.hasResourceProperties('AWS::S3::Bucket', {
      LoggingConfiguration: { LogFilePrefix: 'results/' },
      LifecycleConfiguration: {
        Rules: [
          Match.objectLike({ ExpirationInDays: 30, Prefix: 'unmasked/' }),
          Match.objectLike({ AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 } }),
        ],
      },
    });
  });

  test('a record is written under a condition or not at all', () => {
    template.hasResourceProperties('AWS::S3::BucketPolicy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Effect: 'Deny',
            Principal: { AWS: '*' },
            Action: 's3:PutObject',
            Resource: { 'Fn::Join': ['', [Match.anyValue(), '/metrics/*']] },
            Condition: {
              Null: { 's3:if-none-match': 'true', 's3:if-match': 'true' },
              Bool: { 's3:ObjectCreationOperation': 'true' },
            },
          }),
        ]),
      },
    });
  });
});

describe('queues and functions', () => {
  test('every queue is encrypted, TLS only, and keeps messages for 14 days', () => {
    const queues = Object.values(template.findResources('AWS::SQS::Queue'));
    expect(queues).toHaveLength(4);
    for (const { Properties } of queues) {
      expect(Properties).toMatchObject({ SqsManagedSseEnabled: true, MessageRetentionPeriod: 14 * 24 * 3600 });
    }
    for (const { Properties } of Object.values(template.findResources('AWS::SQS::QueuePolicy'))) {
      expect(JSON.stringify(Properties.PolicyDocument)).toContain('"aws:SecureTransport":"false"');
    }
    template.resourceCountIs('AWS::SQS::QueuePolicy', 4);
  });

  test('a job is hidden for six timeouts and is a dead letter after five receives', () => {
    const { Timeout } = functionNamed('unmask.handler');
    const jobs = Object.entries(template.findResources('AWS::SQS::Queue')).find(
      ([id]) => plainName(id) === 'UnmaskJobs',
    )?.[1];
    expect(jobs?.Properties.VisibilityTimeout).toBe(6 * Timeout);
    expect(jobs?.Properties.RedrivePolicy.maxReceiveCount).toBe(5);
    expect(text(jobs?.Properties.RedrivePolicy.deadLetterTargetArn)).toBe('RecordFailuresDeadLetters');
  });

  test.each([
    ['unmask.handler', 'UnmaskJobs', 4, 4],
    ['dead-letter.handler', 'RecordFailuresDeadLetters', 10, 2],
    ['catalogue.handler', 'CatalogueRecords', 500, 2],
  ])('%s is fed from %s and says for each message whether it is done', (command, queue, batchSize, maxConcurrency) => {
    const { id } = functionNamed(command);
    const source = Object.values(template.findResources('AWS::Lambda::EventSourceMapping')).find(
      ({ Properties }) => Properties.FunctionName.Ref === id,
    )?.Properties;
    expect(text(source?.EventSourceArn)).toBe(queue);
    expect(source).toMatchObject({
      BatchSize: batchSize,
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      ScalingConfig: { MaximumConcurrency: maxConcurrency },
    });
  });

  test('a failed check is tried twice more and then handed to the dead letters', () => {
    template.hasResourceProperties('AWS::Lambda::EventInvokeConfig', {
      FunctionName: { Ref: functionNamed('check.handler').id },
      MaximumRetryAttempts: 2,
      DestinationConfig: {
        OnFailure: { Destination: { 'Fn::GetAtt': [Match.stringLikeRegexp('^RecordFailuresDeadLetters'), 'Arn'] } },
      },
    });
  });

  test('five functions run one image, traced, inside the limits of a new account', () => {
    const functions = Object.values(template.findResources('AWS::Lambda::Function')).filter(
      ({ Properties }) => Properties.PackageType === 'Image',
    );
    expect(functions.map(({ Properties }) => Properties.ImageConfig.Command[0]).sort()).toEqual([
      'catalogue.handler',
      'check.handler',
      'dead-letter.handler',
      'reconcile.handler',
      'unmask.handler',
    ]);
    expect(new Set(functions.map(({ Properties }) => JSON.stringify(Properties.Code))).size).toBe(1);
    for (const { Properties } of functions) {
      expect(Properties).toMatchObject({ TracingConfig: { Mode: 'Active' }, Architectures: ['x86_64'] });
      expect(Properties.MemorySize).toBeLessThanOrEqual(3008);
      expect(Properties).not.toHaveProperty('ReservedConcurrentExecutions');
      expect(Properties).not.toHaveProperty('VpcConfig');
    }
  });

  test('every function logs JSON, and of Lambda itself only what went wrong', () => {
    for (const { Properties } of Object.values(template.findResources('AWS::Lambda::Function'))) {
      if (Properties.PackageType !== 'Image') continue;
      expect(Properties.LoggingConfig).toMatchObject({
        LogFormat: 'JSON',
        ApplicationLogLevel: 'INFO',
        SystemLogLevel: 'WARN',
      });
    }
  });

  test('every log is kept for 30 days', () => {
    const groups = Object.values(template.findResources('AWS::Logs::LogGroup'));
    expect(groups.map(({ Properties }) => Properties.RetentionInDays)).toEqual([30, 30, 30, 30, 30]);
  });
});

describe('watching', () => {
  test('alarms look at dead letters, waiting, errors, throttles, slowness and the manifest, and each says what to do', () => {
    const alarms = Object.entries(template.findResources('AWS::CloudWatch::Alarm'));
    expect(alarms.map(([id]) => plainName(id).replace('Watch', '')).sort()).toEqual([
      'CatalogueErrors',
      'CatalogueSlow',
      'CatalogueThrottles',
      'CheckErrors',
      'CheckSlow',
      'CheckThrottles',
      'DeadLetters',
      'DeadLettersWaiting',
      'ManifestBehind',
      'OldestJob',
      'ReconcileErrors',
      'ReconcileThrottles',
      'RecordErrors',
      'RecordSlow',
      'RecordThrottles',
      'RecordsLost',
      'UnmaskErrors',
      'UnmaskSlow',
      'UnmaskThrottles',
    ]);
    expect(alarms).toHaveLength(billedAlarms);
    for (const [, { Properties }] of alarms) expect(Properties.AlarmDescription).toMatch(/\. .*\.$/);
  });

  test('unmask is slow when one invocation in twenty takes 80 % of its timeout', () => {
    template.hasResourceProperties('AWS::CloudWatch::Alarm', {
      MetricName: 'Duration',
      ExtendedStatistic: 'p95',
      Threshold: 0.8 * 120_000,
    });
  });

  test('the outputs name a line to try, and everything that the commands for a deployed stack need', () => {
    const outputs: Readonly<Record<string, { readonly Value: unknown }>> = template.toJSON().Outputs;
    expect(Object.fromEntries(Object.entries(outputs).map(([name, { Value }]) => [name, text(Value)]))).toMatchObject({
      PhotosBucket: 'BucketsPhotos',
      ResultsBucket: 'BucketsResults',
      JobsQueue: 'UnmaskJobs',
      DeadLetterQueue: 'RecordFailuresDeadLetters',
      RecordsQueue: 'CatalogueRecords',
      CheckFunction: 'CheckUploadsCheckFunction',
      UnmaskFunction: 'UnmaskJobsUnmaskFunction',
      CatalogueFunction: 'CatalogueRecordsCatalogueFunction',
      ReconcileFunction: 'ReconcileUploadsReconcileFunction',
      Architecture: 'x86_64',
      UnmaskMemoryMb: '1769',
      Dashboard: expect.stringContaining('#dashboards:name='),
      Redrive: expect.stringContaining('ReconcileUploadsReconcileFunction'),
      Fetch: expect.stringContaining('BucketsResults'),
    });
    expect(text(outputs.TryIt?.Value)).toBe(
      'aws s3 cp examples/photos s3://BucketsPhotos/photos/ --recursive --region AWS::Region',
    );
    template.resourceCountIs('AWS::SNS::Topic', 0);
    template.resourceCountIs('AWS::Budgets::Budget', 0);
  });
});
