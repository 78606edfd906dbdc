import { DescribeStacksCommand, type Stack } from '@aws-sdk/client-cloudformation';
import { z } from 'zod';
import { AwsError, explained } from './aws-error.ts';
import { type ClientOptions, cloudFormationClient } from './clients.ts';

/** A stack as a person's machine sees it: where things are, what to call. */
export type DeployedStack = {
  readonly name: string;
  readonly region: string;
  readonly photosBucket: string;
  readonly resultsBucket: string;
  readonly jobsQueueUrl: string;
  readonly deadLetterQueueUrl: string;
  /** The catalogue's queue: records that are not in the manifest yet. */
  readonly recordsQueueUrl: string;
  readonly checkFunction: string;
  readonly unmaskFunction: string;
  readonly catalogueFunction: string;
  readonly reconcileFunction: string;
  readonly dashboardUrl: string;
  readonly architecture: 'x86_64' | 'arm64';
  /** MB. */
  readonly unmaskMemory: number;
};

const name = z.string().min(1);

const outputsSchema = z.object({
  PhotosBucket: name,
  ResultsBucket: name,
  JobsQueue: z.url(),
  DeadLetterQueue: z.url(),
  RecordsQueue: z.url(),
  CheckFunction: name,
  UnmaskFunction: name,
  CatalogueFunction: name,
  ReconcileFunction: name,
  Dashboard: z.url(),
  Architecture: z.enum(['x86_64', 'arm64']),
  UnmaskMemoryMb: z.coerce.number().int().positive(),
});

/** What the stack must put out: a name or URL as text. */
export type StackOutputs = Readonly<Record<keyof typeof outputsSchema.shape, string>>;

/**
 * Reads the outputs of a deployed stack. One request; needs cloudformation:DescribeStacks.
 * @throws AwsError without credentials, region, permission or network; when there is no such stack in the region, when it has not been
 * deployed yet, and when it is of a version that does not put out everything.
 */
export async function findStack(options: ClientOptions & { readonly stack: string }): Promise<DeployedStack> {
  const client = cloudFormationClient(options);
  return explained(async () => {
    const region = await client.config.region();
    return deployedOf(await describe(options.stack, region), region);
  });

  async function describe(StackName: string, region: string): Promise<Stack> {
    try {
      const { Stacks: [stack] = [] } = await client.send(new DescribeStacksCommand({ StackName }));
      if (stack) return stack;
    } catch (error) {
      if (!(error instanceof Error && error.name === 'ValidationError' && error.message.includes('does not exist')))
        throw error;
    }
    throw new AwsError(
      'no-such-stack',
      `There is no stack ${StackName} in ${region}. Give another --region, --profile or --stack, or deploy it: npm run deploy.`,
    );
  }
}

function deployedOf({ StackName, StackStatus, Outputs = [] }: Stack, region: string): DeployedStack {
  const given = Object.fromEntries(Outputs.map(({ OutputKey, OutputValue }) => [OutputKey, OutputValue]));
  const parsed = outputsSchema.safeParse(given);
  if (!parsed.success) {
    const missing = [...new Set(parsed.error.issues.map(({ path }) => path.join('.')))].join(', ');
    if (StackStatus !== 'CREATE_COMPLETE' && !StackStatus?.startsWith('UPDATE')) {
      throw new AwsError(
        'unready-stack',
        `Stack ${StackName} in ${region} is not deployed: it is ${StackStatus}. Wait for it, or deploy it: npm run deploy.`,
      );
    }
    throw new AwsError(
      'older-stack',
      `Stack ${StackName} in ${region} is of another version than this command: it does not put out ${missing}. Deploy this version: npm run deploy.`,
    );
  }
  const outputs = parsed.data;
  return {
    name: StackName ?? '',
    region,
    photosBucket: outputs.PhotosBucket,
    resultsBucket: outputs.ResultsBucket,
    jobsQueueUrl: outputs.JobsQueue,
    deadLetterQueueUrl: outputs.DeadLetterQueue,
    recordsQueueUrl: outputs.RecordsQueue,
    checkFunction: outputs.CheckFunction,
    unmaskFunction: outputs.UnmaskFunction,
    catalogueFunction: outputs.CatalogueFunction,
    reconcileFunction: outputs.ReconcileFunction,
    dashboardUrl: outputs.Dashboard,
    architecture: outputs.Architecture,
    unmaskMemory: outputs.UnmaskMemoryMb,
  };
}
