import { setTimeout as pause } from 'node:timers/promises';
import {
  type BatchResultErrorEntry,
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  type SQSClient,
  SQSServiceException,
  type Message as SqsMessage,
} from '@aws-sdk/client-sqs';
import type { Message, Queue } from '#pipeline/ports.ts';

export type SqsQueueOptions = {
  readonly client: SQSClient;
  readonly url: string;
  /** How to wait before messages that SQS did not take are sent again. Default: a timer. */
  readonly wait?: (milliseconds: number) => Promise<unknown>;
};

/**
 * A queue in SQS. Visibility timeout and dead letters are the queue's own settings. Needs sqs:SendMessage, or for workers ReceiveMessage,
 * DeleteMessage and ChangeMessageVisibility. One request per 10 messages sent, per receive, per acknowledgement and release.
 */
export function createSqsQueue({ client, url, wait = pause }: SqsQueueOptions): Queue {
  return {
    async send(bodies) {
      for (let start = 0; start < bodies.length; start += batchSize) {
        await sendBatch({ client, url, wait }, bodies.slice(start, start + batchSize));
      }
    },

    async receive(max, waitSeconds) {
      const { Messages = [] } = await client.send(
        new ReceiveMessageCommand({
          QueueUrl: url,
          MaxNumberOfMessages: max,
          WaitTimeSeconds: waitSeconds,
          MessageSystemAttributeNames: ['ApproximateReceiveCount'],
        }),
      );
      return Messages.map(messageOf);
    },

    async acknowledge({ receipt }) {
      await client.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle: receipt }));
    },

    async release({ receipt }, delaySeconds = 0) {
      const change = { QueueUrl: url, ReceiptHandle: receipt, VisibilityTimeout: delaySeconds };
      try {
        await client.send(new ChangeMessageVisibilityCommand(change));
      } catch (error) {
        if (!isReleased(error)) throw error;
      }
    },
  };
}

/** Of SQS: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html */
const batchSize = 10;

/** 0.1 + 0.2 + 0.4 + 0.8 s in all. */
const sendAttempts = 5;
const firstWaitMs = 100;

/** SQS takes or refuses each message of a batch for itself; those that it refused for its own reasons are sent again. */
async function sendBatch({ client, url, wait }: Required<SqsQueueOptions>, bodies: readonly string[]): Promise<void> {
  let unsent = bodies.map((body, i) => ({ Id: String(i), MessageBody: body }));
  for (let attempt = 1; ; attempt++) {
    const { Failed = [] } = await client.send(new SendMessageBatchCommand({ QueueUrl: url, Entries: unsent }));
    if (Failed.length === 0) return;
    if (attempt === sendAttempts || Failed.some(({ SenderFault }) => SenderFault)) {
      throw new Error(`SQS did not take ${Failed.length} of ${bodies.length} messages: ${reasonsOf(Failed)}`);
    }
    const failed = new Set(Failed.map(({ Id }) => Id));
    unsent = unsent.filter(({ Id }) => failed.has(Id));
    await wait(firstWaitMs * 2 ** (attempt - 1));
  }
}

function reasonsOf(failed: readonly BatchResultErrorEntry[]): string {
  return [...new Set(failed.map(({ Code, Message: message }) => [Code, message].filter(Boolean).join(' ')))].join(', ');
}

function messageOf({ MessageId, Body, ReceiptHandle, Attributes }: SqsMessage): Message {
  if (MessageId === undefined || Body === undefined || ReceiptHandle === undefined) {
    throw new Error('Expected SQS to give messages with an id, a body and a receipt handle');
  }
  return {
    id: MessageId,
    body: Body,
    receipt: ReceiptHandle,
    receiveCount: Number(Attributes?.ApproximateReceiveCount ?? 1),
  };
}

/** The message is visible again or done already: what a release is for. SQS has said it with more than one code. */
function isReleased(error: unknown): boolean {
  if (!(error instanceof SQSServiceException)) return false;
  return error.name === 'MessageNotInflight' || error.message.includes('not available for visibility timeout change');
}
