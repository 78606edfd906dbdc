import { setTimeout as pause } from 'node:timers/promises';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { GetQueueAttributesCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import type { S3Event } from 'aws-lambda';
import { z } from 'zod';
import { createS3Store } from '#aws/s3-store.ts';
import { createSqsQueue } from '#aws/sqs-queue.ts';
import type { Message, Queue, Store } from '#pipeline/ports.ts';
import { bootFauxqs } from '../contracts/fauxqs.ts';
import { isAllowed } from './authorise.ts';
import { type CloudPlan, type FunctionPlan, planCloud, type QueuePlan, type SourcePlan } from './cloud-plan.ts';
import type { RunningFunction } from './function-process.ts';
import { openGuardedEndpoint } from './guarded-endpoint.ts';

export type RehearsalProps = {
  /** As `cdk synth` wrote it. */
  readonly template: unknown;
  readonly start: (plan: FunctionPlan, environment: Readonly<Record<string, string>>) => RunningFunction;
  /** Hours would pass between tries; so a second stands for so many. Default 360: a job's 12 minutes are two seconds. */
  readonly haste?: number;
};

export type Rehearsal = {
  readonly plan: CloudPlan;
  readonly photos: Store;
  readonly results: Store;
  /** As a person would: straight into the photos bucket. */
  upload(key: string, bytes: Uint8Array): Promise<void>;
  /** Calls a function by its command, as a person or a schedule would. */
  call(command: string, event: unknown): Promise<unknown>;
  /** Loses the notifications of uploads until called again with false. */
  loseUploads(lose: boolean): void;
  /** Has AWS refuse a function everything whose name ends so, until called with undefined. */
  breakFor(command: string, ending: string | undefined): void;
  /** Nothing is being handled and no queue holds a message. */
  settled(): Promise<void>;
  /** Requests that the template's grants do not cover. */
  readonly refused: readonly string[];
  readonly requests: Readonly<Record<string, number>>;
  /** What functions threw. */
  readonly errors: readonly string[];
  close(): Promise<void>;
};

/**
 * The template come alive on this machine: its buckets, queues and notifications in the in-process S3 and SQS, its event sources as
 * loops, its functions wherever `start` runs them, with the environment and, request by request, the grants that the template gives them.
 */
export async function rehearse({ template, start, haste = 360 }: RehearsalProps): Promise<Rehearsal> {
  const server = await bootFauxqs();
  const errors: string[] = [];
  const broken = new Map<string, string | undefined>();
  /** SQS keeps the header of the request with each message that it brought. */
  const traceHeaders = new Map<string, string>();
  const underWay = new Set<Promise<unknown>>();
  const track = <Result>(work: Promise<Result>): Promise<Result> => {
    underWay.add(work);
    work.finally(() => underWay.delete(work)).catch(() => {});
    return work;
  };

  const guard = await openGuardedEndpoint({
    upstream: () => server.endpoint,
    statementsOf: (name) => [...functionNamed(name).statements, ...plan.denials],
    isBroken: (name, resource) => {
      const ending = broken.get(functionNamed(name).command);
      return ending !== undefined && resource.endsWith(ending);
    },
    onTraced(body, traceHeader) {
      const { Entries = [] } = sentSchema.parse(JSON.parse(body));
      for (const { MessageBody } of Entries) traceHeaders.set(MessageBody, traceHeader);
    },
    invoke: (name, event) => void track(invokeAsync(functionNamed(name), event)),
  });
  const plan = planCloud(template, guard.endpoint);
  const functionNamed = (name: string): FunctionPlan => {
    const found = plan.functions.find((one) => one.name === name || one.arn === name);
    if (!found) throw new Error(`Expected a function of the template but received ${name}.`);
    return found;
  };

  for (const { name, versioned } of plan.buckets) server.createBucket(name, { versioned });
  const urls = new Map<string, string>();
  for (const queue of deadLettersFirst(plan.queues)) urls.set(queue.arn, await createQueue(queue));
  async function createQueue({ name, visibilitySeconds, deadLetters }: QueuePlan): Promise<string> {
    const deadLetterUrl = deadLetters && urls.get(deadLetters.arn);
    return server.createQueue(name, {
      visibilitySeconds: Math.ceil(visibilitySeconds / haste),
      ...(deadLetters && deadLetterUrl && { maxReceiveCount: deadLetters.maxReceiveCount, deadLetterUrl }),
    });
  }
  const urlOf = (arn: string): string => urls.get(arn) ?? fail(`Expected a queue of the template but received ${arn}.`);

  const running = new Map<string, RunningFunction>();
  for (const one of plan.functions) {
    running.set(
      one.name,
      start(one, {
        AWS_REGION: 'us-east-1',
        AWS_ACCESS_KEY_ID: one.name,
        AWS_SECRET_ACCESS_KEY: 'rehearsal',
        AWS_ENDPOINT_URL: guard.endpoint,
        AWS_LAMBDA_FUNCTION_NAME: one.name,
        AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
        AWS_LAMBDA_LOG_GROUP_NAME: one.name,
        AWS_LAMBDA_LOG_STREAM_NAME: 'rehearsal',
        AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(one.memoryMb),
        POWERTOOLS_TRACE_ENABLED: 'false',
      }),
    );
  }
  const invoke = async ({ name }: FunctionPlan, event: unknown): Promise<unknown> => {
    try {
      return await (running.get(name) ?? fail(`Expected ${name} to run.`)).invoke(event);
    } catch (error) {
      errors.push(`${name}: ${String(error)}`);
      throw error;
    }
  };

  /** https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html */
  async function invokeAsync(one: FunctionPlan, event: unknown): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        await invoke(one, event);
        return;
      } catch (error) {
        if (attempt < one.retries) continue;
        const letter = {
          version: '1.0',
          timestamp: new Date().toISOString(),
          requestContext: {
            requestId: 'rehearsal',
            functionArn: one.arn,
            condition: 'RetriesExhausted',
            approximateInvokeCount: attempt + 1,
          },
          requestPayload: event,
          responseContext: { statusCode: 200, executedVersion: '$LATEST', functionError: 'Unhandled' },
          responsePayload: { errorMessage: error instanceof Error ? error.message : String(error) },
        };
        if (one.onFailureArn) await send(urlOf(one.onFailureArn), letter);
        return;
      }
    }
  }
  const send = (QueueUrl: string, body: unknown) =>
    server.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: JSON.stringify(body) }));

  let losing = false;
  const unsubscribe = server.onObjectCreated((event: S3Event) => {
    const { bucket, object } = event.Records[0]?.s3 ?? fail('Expected one record in a notification.');
    for (const { bucket: from, prefix, targetArn } of plan.notifications) {
      if (from !== bucket.name || !object.key.startsWith(prefix)) continue;
      if (targetArn.includes(':sqs:')) track(send(urlOf(targetArn), event));
      else if (!losing) track(invokeAsync(functionNamed(targetArn), event));
    }
  });

  async function isEmpty(): Promise<boolean> {
    const AttributeNames = ['ApproximateNumberOfMessages' as const, 'ApproximateNumberOfMessagesNotVisible' as const];
    const counts = await Promise.all(
      plan.sources.map(async ({ queueArn }) => {
        const { Attributes } = await server.sqs.send(
          new GetQueueAttributesCommand({ QueueUrl: urlOf(queueArn), AttributeNames }),
        );
        return AttributeNames.reduce((sum, name) => sum + Number(Attributes?.[name]), 0);
      }),
    );
    return counts.every((count) => count === 0);
  }

  // AWS does these in the functions' names: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
  for (const { functionName, queueArn } of plan.sources) {
    for (const action of ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes']) {
      requireGrant(functionNamed(functionName), action, queueArn);
    }
  }
  for (const one of plan.functions) if (one.onFailureArn) requireGrant(one, 'sqs:SendMessage', one.onFailureArn);

  const stopping = new AbortController();
  const loops = plan.sources.flatMap((source) => Array.from({ length: source.maxConcurrency }, () => consume(source)));
  async function consume({ queueArn, functionName, batchSize }: SourcePlan): Promise<void> {
    const queue = createSqsQueue({ client: server.sqs, url: urlOf(queueArn) });
    while (!stopping.signal.aborted) {
      const messages = await queue.receive(Math.min(batchSize, 10), 1).catch(() => []);
      if (messages.length > 0) await track(handleBatch(queue, queueArn, functionNamed(functionName), messages));
    }
  }
  async function handleBatch(
    queue: Queue,
    queueArn: string,
    one: FunctionPlan,
    messages: readonly Message[],
  ): Promise<void> {
    const event = {
      Records: messages.map((message) => queueRecord(message, queueArn, traceHeaders.get(message.body))),
    };
    const response = await invoke(one, event).catch(() => undefined);
    const failed = response === undefined ? messages.map(({ id }) => id) : failuresOf(response);
    await Promise.all(messages.filter(({ id }) => !failed.includes(id)).map((message) => queue.acknowledge(message)));
  }

  const bucketOf = (variable: string): string =>
    plan.functions.map(({ environment }) => environment[variable]).find((name) => name !== undefined) ??
    fail(`Expected ${variable} in the environment of a function.`);
  const photosBucket = bucketOf('PHOTOS_BUCKET');
  const store = (bucket: string) => createS3Store({ client: server.s3, bucket });

  return {
    plan,
    photos: store(photosBucket),
    results: store(bucketOf('RESULTS_BUCKET')),
    refused: guard.refused,
    requests: guard.requests,
    errors,
    async upload(key, bytes) {
      await server.s3.send(new PutObjectCommand({ Bucket: photosBucket, Key: key, Body: bytes }));
    },
    call: (command, event) =>
      invoke(
        plan.functions.find((one) => one.command === command) ?? fail(`Expected a function for ${command}.`),
        event,
      ),
    loseUploads(lose) {
      losing = lose;
    },
    breakFor(command, ending) {
      broken.set(command, ending);
    },
    async settled() {
      // Twice in a row: S3 tells of an upload just after it has answered.
      for (let quiet = 0; quiet < 2; ) {
        await Promise.allSettled([...underWay]);
        // A dead letter that cannot be recorded would come again for fourteen days.
        if (errors.length > 50) throw new Error(`Functions throw again and again: ${errors.at(-1)}`);
        await pause(50);
        quiet = underWay.size === 0 && (await isEmpty()) ? quiet + 1 : 0;
      }
    },
    async close() {
      stopping.abort();
      unsubscribe();
      await Promise.allSettled(loops);
      await Promise.allSettled([...running.values()].map((one) => one.close()));
      await guard.close();
      await server.close();
    },
  };
}

const sentSchema = z.object({ Entries: z.array(z.object({ MessageBody: z.string() })).optional() });

const deadLettersFirst = (queues: readonly QueuePlan[]): readonly QueuePlan[] =>
  [...queues].sort((one, other) => Number(one.deadLetters !== undefined) - Number(other.deadLetters !== undefined));

/** https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html */
const queueRecord = ({ id, body, receipt, receiveCount }: Message, queueArn: string, traceHeader?: string) => ({
  messageId: id,
  receiptHandle: receipt,
  body,
  attributes: {
    ApproximateReceiveCount: String(receiveCount),
    SentTimestamp: '1545082649183',
    ...(traceHeader !== undefined && { AWSTraceHeader: traceHeader }),
  },
  messageAttributes: {},
  md5OfBody: '098f6bcd4621d373cade4e832627b4f6',
  eventSource: 'aws:sqs',
  eventSourceARN: queueArn,
  awsRegion: 'us-east-1',
});

function failuresOf(response: unknown): readonly string[] {
  const { batchItemFailures } = Object(response);
  if (!Array.isArray(batchItemFailures))
    throw new Error(`Expected a batch response but received ${JSON.stringify(response)}.`);
  return batchItemFailures.map(({ itemIdentifier }) => itemIdentifier);
}

function requireGrant({ name, statements }: FunctionPlan, action: string, resource: string): void {
  if (!isAllowed({ action, resource, context: {} }, statements))
    throw new Error(`Expected ${name} to be granted ${action} on ${resource}.`);
}

function fail(message: string): never {
  throw new Error(message);
}
