import { type Duration, RemovalPolicy, Validations } from 'aws-cdk-lib';
import { Platform } from 'aws-cdk-lib/aws-ecr-assets';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  ApplicationLogLevel,
  Architecture,
  DockerImageCode,
  DockerImageFunction,
  LoggingFormat,
  SystemLogLevel,
  Tracing,
} from 'aws-cdk-lib/aws-lambda';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { Settings } from './settings.ts';

export type PipelineFunctionProps = {
  readonly settings: Settings;
  /** Folder of the container image, made by scripts/bundle.ts: the same for every function. */
  readonly image: string;
  /** Which handler the image runs: the name of a file in lambdas/. */
  readonly handler: 'check' | 'unmask' | 'dead-letter' | 'catalogue' | 'reconcile';
  readonly memoryMb: number;
  readonly timeout: Duration;
  readonly environment: Readonly<Record<string, string>>;
};

/** One function of the one image, with its log group and a role that may write there, send traces, and nothing else yet. */
export class PipelineFunction extends Construct {
  readonly function: DockerImageFunction;
  readonly role: Role;
  readonly timeout: Duration;

  constructor(scope: Construct, id: string, props: PipelineFunctionProps) {
    super(scope, id);
    const { settings, image, handler, memoryMb, timeout, environment } = props;
    this.timeout = timeout;
    const logGroup = new LogGroup(this, 'Logs', {
      retention: settings.logDays as RetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
    this.role.addToPolicy(
      new PolicyStatement({
        actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
        resources: [logGroup.logGroupArn],
      }),
    );
    const arm = settings.architecture === 'arm64';
    this.function = new DockerImageFunction(this, 'Function', {
      code: DockerImageCode.fromImageAsset(image, {
        cmd: [`${handler}.handler`],
        platform: arm ? Platform.LINUX_ARM64 : Platform.LINUX_AMD64,
        buildArgs: { CPU: arm ? 'arm64' : 'x64' },
      }),
      architecture: arm ? Architecture.ARM_64 : Architecture.X86_64,
      memorySize: memoryMb,
      timeout,
      role: this.role,
      logGroup,
      tracing: Tracing.ACTIVE,
      // Our lines are JSON already. Of Lambda's own, START, END and REPORT of what went well are left out: they are a fifth of the log, and
      // duration and memory are metrics. Time-outs and crashes are warnings and stay.
      loggingFormat: LoggingFormat.JSON,
      applicationLogLevelV2: ApplicationLogLevel.INFO,
      systemLogLevelV2: SystemLogLevel.WARN,
      environment,
    });
    Validations.of(this.role).acknowledge({
      id: 'AwsSolutions-IAM5[Resource::*]',
      reason:
        'X-Ray takes traces on no particular resource: xray:PutTraceSegments and PutTelemetryRecords know only *.',
    });
  }
}
