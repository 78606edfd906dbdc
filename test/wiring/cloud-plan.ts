import { z } from 'zod';

/** What a synthesised template says, with names that the emulators can use in place of what CloudFormation would fill in. */
export type CloudPlan = {
  readonly buckets: readonly { readonly name: string; readonly versioned: boolean }[];
  readonly queues: readonly QueuePlan[];
  readonly functions: readonly FunctionPlan[];
  readonly sources: readonly SourcePlan[];
  readonly notifications: readonly NotificationPlan[];
  /** What every policy of every bucket denies to everybody. */
  readonly denials: readonly Statement[];
  /** The name or URL that an output or a `Ref` stands for. */
  readonly resolve: (value: unknown) => string;
};

export type QueuePlan = {
  readonly name: string;
  readonly arn: string;
  readonly visibilitySeconds: number;
  readonly deadLetters?: { readonly arn: string; readonly maxReceiveCount: number };
};

export type FunctionPlan = {
  readonly name: string;
  readonly arn: string;
  /** `check.handler` */
  readonly command: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly memoryMb: number;
  readonly timeoutSeconds: number;
  readonly statements: readonly Statement[];
  readonly retries: number;
  readonly onFailureArn?: string;
};

export type SourcePlan = {
  readonly queueArn: string;
  readonly functionName: string;
  readonly batchSize: number;
  readonly maxConcurrency: number;
};

export type NotificationPlan = { readonly bucket: string; readonly prefix: string; readonly targetArn: string };

export type Statement = {
  readonly effect: 'Allow' | 'Deny';
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly condition: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
};

const resourceSchema = z.object({ Type: z.string(), Properties: z.record(z.string(), z.unknown()).default({}) });
const templateSchema = z.object({ Resources: z.record(z.string(), resourceSchema) });

const region = 'us-east-1';
const account = '000000000000';
const pseudo: Readonly<Record<string, string>> = {
  'AWS::Region': region,
  'AWS::AccountId': account,
  'AWS::Partition': 'aws',
  'AWS::URLSuffix': 'amazonaws.com',
};

/** @param endpoint of the SQS that queue URLs shall name */
export function planCloud(template: unknown, endpoint: string): CloudPlan {
  const { Resources } = templateSchema.parse(template);
  const of = (type: string) => Object.entries(Resources).filter(([, { Type }]) => Type === type);

  const arnOf = (id: string): string => {
    const name = nameOf(id);
    switch (Resources[id]?.Type) {
      case 'AWS::S3::Bucket':
        return `arn:aws:s3:::${name}`;
      case 'AWS::SQS::Queue':
        return `arn:aws:sqs:${region}:${account}:${name}`;
      case 'AWS::Lambda::Function':
        return `arn:aws:lambda:${region}:${account}:function:${name}`;
      default:
        return `arn:aws:other:${region}:${account}:${name}`;
    }
  };
  const resolve = (value: unknown): string => {
    if (typeof value === 'string') return value;
    const reference = z.object({ Ref: z.string() }).safeParse(value).data?.Ref;
    if (reference !== undefined) {
      const isQueue = Resources[reference]?.Type === 'AWS::SQS::Queue';
      return pseudo[reference] ?? (isQueue ? `${endpoint}/${account}/${nameOf(reference)}` : nameOf(reference));
    }
    const attribute = z.object({ 'Fn::GetAtt': z.tuple([z.string(), z.string()]) }).safeParse(value).data?.[
      'Fn::GetAtt'
    ];
    if (attribute) return arnOf(attribute[0]);
    const joined = z.object({ 'Fn::Join': z.tuple([z.string(), z.array(z.unknown())]) }).parse(value)['Fn::Join'];
    return joined[1].map(resolve).join(joined[0]);
  };
  const statementsOf = (document: unknown) =>
    policySchema.parse(document).Statement.map((one) => toStatement(one, resolve));

  const functions = of('AWS::Lambda::Function')
    .filter(([, { Properties }]) => Properties.PackageType === 'Image')
    .map(([id, { Properties }]): FunctionPlan => {
      const properties = functionSchema.parse(Properties);
      const role = properties.Role['Fn::GetAtt'][0];
      const invoke = of('AWS::Lambda::EventInvokeConfig')
        .map((entry) => invokeSchema.parse(entry[1].Properties))
        .find(({ FunctionName }) => FunctionName.Ref === id);
      return {
        name: nameOf(id),
        arn: arnOf(id),
        command: properties.ImageConfig.Command[0],
        environment: Object.fromEntries(
          Object.entries(properties.Environment.Variables).map(([name, value]) => [name, resolve(value)]),
        ),
        memoryMb: properties.MemorySize,
        timeoutSeconds: properties.Timeout,
        statements: of('AWS::IAM::Policy')
          .map((entry) => rolePolicySchema.parse(entry[1].Properties))
          .filter(({ Roles }) => Roles.some(({ Ref }) => Ref === role))
          .flatMap(({ PolicyDocument }) => statementsOf(PolicyDocument)),
        retries: invoke?.MaximumRetryAttempts ?? 2,
        ...(invoke && { onFailureArn: resolve(invoke.DestinationConfig.OnFailure.Destination) }),
      };
    });

  return {
    buckets: of('AWS::S3::Bucket').map(([id, { Properties }]) => ({
      name: nameOf(id),
      versioned: Properties.VersioningConfiguration !== undefined,
    })),
    queues: of('AWS::SQS::Queue').map(([id, { Properties }]) => {
      const { VisibilityTimeout, RedrivePolicy } = queueSchema.parse(Properties);
      return {
        name: nameOf(id),
        arn: arnOf(id),
        visibilitySeconds: VisibilityTimeout,
        ...(RedrivePolicy && {
          deadLetters: {
            arn: resolve(RedrivePolicy.deadLetterTargetArn),
            maxReceiveCount: RedrivePolicy.maxReceiveCount,
          },
        }),
      };
    }),
    functions,
    sources: of('AWS::Lambda::EventSourceMapping').map(([, { Properties }]) => {
      const source = sourceSchema.parse(Properties);
      return {
        queueArn: resolve(source.EventSourceArn),
        functionName: resolve(source.FunctionName),
        batchSize: source.BatchSize,
        maxConcurrency: source.ScalingConfig.MaximumConcurrency,
      };
    }),
    notifications: of('Custom::S3BucketNotifications').flatMap(([, { Properties }]) => {
      const { BucketName, NotificationConfiguration } = notificationsSchema.parse(Properties);
      return Object.values(NotificationConfiguration)
        .flat()
        .map(({ Filter, LambdaFunctionArn, QueueArn }) => ({
          bucket: resolve(BucketName),
          prefix: Filter.Key.FilterRules[0].Value,
          targetArn: resolve(LambdaFunctionArn ?? QueueArn),
        }));
    }),
    denials: of('AWS::S3::BucketPolicy')
      .flatMap(([, { Properties }]) => statementsOf(Properties.PolicyDocument))
      .filter(({ effect }) => effect === 'Deny'),
    resolve,
  };
}

/** As names of buckets must be; the emulator's names are the template's own. */
const nameOf = (logicalId: string): string => logicalId.toLowerCase();

const texts = z.union([z.string(), z.array(z.string())]);
const policySchema = z.object({
  Statement: z.array(
    z.object({
      Effect: z.enum(['Allow', 'Deny']),
      Action: texts,
      Resource: z.unknown(),
      Condition: z.record(z.string(), z.record(z.string(), z.unknown())).default({}),
    }),
  ),
});
const referenceSchema = z.object({ Ref: z.string() });
const functionSchema = z.object({
  ImageConfig: z.object({ Command: z.tuple([z.string()]) }),
  Environment: z.object({ Variables: z.record(z.string(), z.unknown()) }),
  Role: z.object({ 'Fn::GetAtt': z.tuple([z.string(), z.string()]) }),
  MemorySize: z.number(),
  Timeout: z.number(),
});
const rolePolicySchema = z.object({ PolicyDocument: z.unknown(), Roles: z.array(referenceSchema).default([]) });
const invokeSchema = z.object({
  FunctionName: referenceSchema,
  MaximumRetryAttempts: z.number(),
  DestinationConfig: z.object({ OnFailure: z.object({ Destination: z.unknown() }) }),
});
const queueSchema = z.object({
  VisibilityTimeout: z.number().default(30),
  RedrivePolicy: z.object({ deadLetterTargetArn: z.unknown(), maxReceiveCount: z.number() }).optional(),
});
const sourceSchema = z.object({
  EventSourceArn: z.unknown(),
  FunctionName: z.unknown(),
  BatchSize: z.number(),
  FunctionResponseTypes: z.tuple([z.literal('ReportBatchItemFailures')]),
  ScalingConfig: z.object({ MaximumConcurrency: z.number() }),
});
const notificationsSchema = z.object({
  BucketName: z.unknown(),
  NotificationConfiguration: z.record(
    z.string(),
    z.array(
      z.object({
        Events: z.tuple([z.literal('s3:ObjectCreated:*')]),
        Filter: z.object({
          Key: z.object({ FilterRules: z.tuple([z.object({ Name: z.literal('prefix'), Value: z.string() })]) }),
        }),
        LambdaFunctionArn: z.unknown().optional(),
        QueueArn: z.unknown().optional(),
      }),
    ),
  ),
});

function toStatement(
  { Effect, Action, Resource, Condition }: z.infer<typeof policySchema>['Statement'][number],
  resolve: (value: unknown) => string,
): Statement {
  const text = (value: unknown) =>
    Array.isArray(value) ? value.map(resolve) : typeof value === 'number' ? String(value) : resolve(value);
  return {
    effect: Effect,
    actions: [Action].flat(),
    resources: [Resource].flat().map(resolve),
    condition: Object.fromEntries(
      Object.entries(Condition).map(([operator, keys]) => [
        operator,
        Object.fromEntries(Object.entries(keys).map(([key, value]) => [key, text(value)])),
      ]),
    ),
  };
}
