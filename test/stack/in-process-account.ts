import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { DeployedStack, StackOutputs } from '#aws/find-stack.ts';
import { bootFauxqs, type Fauxqs } from '../contracts/fauxqs.ts';

export type Invoked = {
  readonly function: string;
  /** `Event` is asynchronous: the answer is only that Lambda has taken it. */
  readonly type: 'Event' | 'RequestResponse';
  readonly payload: unknown;
};

type Action = 'DescribeStacks' | 'Invoke' | `CloudWatch.${string}`;

export type InProcessAccount = {
  /** Environment of a CLI process that is to meet this account: endpoints, credentials, region. */
  readonly env: Readonly<Record<string, string>>;
  readonly stack: DeployedStack;
  /** The buckets and queues, with clients of their own and `failNext`. */
  readonly server: Fauxqs;
  /** Calls of Lambda functions, in order. */
  readonly invoked: readonly Invoked[];
  /** What a function does when it is called; without, it answers null. What it throws is answered as Lambda does. */
  onInvoke(functionName: string, answer: (payload: unknown) => unknown): void;
  /** What CloudWatch answers to an action, `GetMetricData` say: gets the request's JSON, gives the answer's. Without: {}. */
  onCloudWatch(action: string, answer: (input: unknown) => unknown): void;
  /** Other outputs than the stack's own, or another state of it; undefined takes an output away. */
  setStack(change: { readonly status?: string; readonly outputs?: Readonly<Record<string, string | undefined>> }): void;
  /** From now on the action is refused so, `AccessDenied` say; undefined: no longer. */
  refuse(
    action: Action,
    error: { readonly status: number; readonly code: string; readonly message: string } | undefined,
  ): void;
  close(): Promise<void>;
};

/**
 * An AWS account with the stack `Unmask` in it, on 127.0.0.1: S3 and SQS by fauxqs, and as much of CloudFormation, Lambda and CloudWatch as
 * the commands for a deployed stack ask. Functions do nothing but what a test gives them to do.
 */
export async function openInProcessAccount(): Promise<InProcessAccount> {
  const server = await bootFauxqs();
  server.createBucket('unmask-photos', { versioned: true });
  server.createBucket('unmask-results');
  const region = 'us-east-1';
  const stack: DeployedStack = {
    name: 'Unmask',
    region,
    photosBucket: 'unmask-photos',
    resultsBucket: 'unmask-results',
    jobsQueueUrl: await server.createQueue('unmask-jobs'),
    deadLetterQueueUrl: await server.createQueue('unmask-dead-letters'),
    recordsQueueUrl: await server.createQueue('unmask-records'),
    checkFunction: 'unmask-check',
    unmaskFunction: 'unmask-unmask',
    catalogueFunction: 'unmask-catalogue',
    reconcileFunction: 'unmask-reconcile',
    dashboardUrl: `https://${region}.console.aws.amazon.com/cloudwatch/home?region=${region}#dashboards:name=unmask`,
    architecture: 'x86_64',
    unmaskMemory: 1769,
  };
  let status = 'CREATE_COMPLETE';
  let outputs: Readonly<Record<string, string | undefined>> = outputsOf(stack);
  const invoked: Invoked[] = [];
  const functions = new Map<string, (payload: unknown) => unknown>();
  const watched = new Map<string, (input: unknown) => unknown>();
  const refused = new Map<Action, { readonly status: number; readonly code: string; readonly message: string }>();

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await text(request);
    const functionName = /^\/2015-03-31\/functions\/([^/]+)\/invocations/.exec(request.url ?? '')?.[1];
    const watchAction = String(request.headers['x-amz-target'] ?? '').split('.')[1];
    if (functionName !== undefined) return invoke(decodeURIComponent(functionName), request, body, response);
    if (watchAction !== undefined) return watch(watchAction, body, response);
    describe(new URLSearchParams(body), response);
  };

  const json = (response: ServerResponse, statusCode: number, value: unknown, headers = {}): void => {
    response.writeHead(statusCode, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
  };

  /** https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html */
  async function invoke(name: string, request: IncomingMessage, body: string, response: ServerResponse): Promise<void> {
    const refusal = refused.get('Invoke');
    if (refusal) {
      return json(response, refusal.status, { Message: refusal.message }, { 'x-amzn-errortype': refusal.code });
    }
    const payload = body === '' ? undefined : JSON.parse(body);
    const type = request.headers['x-amz-invocation-type'] === 'Event' ? 'Event' : 'RequestResponse';
    invoked.push({ function: name, type, payload });
    const run = async () => functions.get(name)?.(payload) ?? null;
    if (type === 'Event') {
      response.writeHead(202).end();
      await run();
      return;
    }
    try {
      json(response, 200, await run());
    } catch (error) {
      const { name: errorType, message: errorMessage } = error instanceof Error ? error : new Error(String(error));
      json(response, 200, { errorType, errorMessage, trace: [] }, { 'x-amz-function-error': 'Unhandled' });
    }
  }

  /** https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Operations.html, as JSON 1.0. */
  function watch(action: string, body: string, response: ServerResponse): void {
    const refusal = refused.get(`CloudWatch.${action}`);
    if (refusal) json(response, refusal.status, { __type: refusal.code, message: refusal.message });
    else json(response, 200, watched.get(action)?.(JSON.parse(body)) ?? {});
  }

  /** https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html, the query protocol. */
  function describe(query: URLSearchParams, response: ServerResponse): void {
    const xml = (statusCode: number, content: string): void => {
      response.writeHead(statusCode, { 'content-type': 'text/xml' }).end(content);
    };
    const name = query.get('StackName') ?? '';
    const absent = { status: 400, code: 'ValidationError', message: `Stack with id ${name} does not exist` };
    const refusal = refused.get('DescribeStacks') ?? (name === stack.name ? undefined : absent);
    if (refusal) {
      const { code, message } = refusal;
      const error = `<Type>Sender</Type><Code>${code}</Code><Message>${message}</Message>`;
      xml(refusal.status, `<ErrorResponse><Error>${error}</Error></ErrorResponse>`);
      return;
    }
    const members = Object.entries(outputs).map(([key, value]) =>
      value === undefined
        ? ''
        : `<member><OutputKey>${key}</OutputKey><OutputValue>${value.replaceAll('&', '&amp;')}</OutputValue></member>`,
    );
    xml(
      200,
      `<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks><member><StackName>${name}</StackName><CreationTime>2026-11-01T00:00:00Z</CreationTime><StackStatus>${status}</StackStatus><Outputs>${members.join('')}</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`,
    );
  }

  const others = createServer((request, response) => {
    answer(request, response).catch((error) => {
      if (!response.headersSent) json(response, 500, { Message: String(error) });
    });
  });
  await new Promise<void>((resolve) => others.listen(0, '127.0.0.1', resolve));
  const { port } = others.address() as AddressInfo;
  const endpoint = `http://127.0.0.1:${port}`;

  return {
    env: {
      AWS_ENDPOINT_URL_S3: server.endpoint,
      AWS_ENDPOINT_URL_SQS: server.endpoint,
      AWS_ENDPOINT_URL_CLOUDFORMATION: endpoint,
      AWS_ENDPOINT_URL_LAMBDA: endpoint,
      AWS_ENDPOINT_URL_CLOUDWATCH: endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
      AWS_EC2_METADATA_DISABLED: 'true',
    },
    stack,
    server,
    invoked,
    onInvoke: (name, run) => void functions.set(name, run),
    onCloudWatch: (action, run) => void watched.set(action, run),
    setStack(change) {
      status = change.status ?? status;
      outputs = { ...outputs, ...change.outputs };
    },
    refuse(action, error) {
      if (error) refused.set(action, error);
      else refused.delete(action);
    },
    async close() {
      others.closeAllConnections();
      await Promise.all([server.close(), new Promise((resolve) => others.close(resolve))]);
    },
  };
}

const outputsOf = (stack: DeployedStack): StackOutputs => ({
  PhotosBucket: stack.photosBucket,
  ResultsBucket: stack.resultsBucket,
  JobsQueue: stack.jobsQueueUrl,
  DeadLetterQueue: stack.deadLetterQueueUrl,
  RecordsQueue: stack.recordsQueueUrl,
  CheckFunction: stack.checkFunction,
  UnmaskFunction: stack.unmaskFunction,
  CatalogueFunction: stack.catalogueFunction,
  ReconcileFunction: stack.reconcileFunction,
  Dashboard: stack.dashboardUrl,
  Architecture: stack.architecture,
  UnmaskMemoryMb: String(stack.unmaskMemory),
});
