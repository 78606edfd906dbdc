import { GetQueueAttributesCommand, type SQSClient } from '@aws-sdk/client-sqs';

export type QueueDepth = {
  readonly waiting: number;
  /** Handed out and not done yet. */
  readonly inWork: number;
};

/** About how many messages a queue has: SQS counts within a minute. One request; needs sqs:GetQueueAttributes. */
export async function readQueueDepth(client: SQSClient, url: string): Promise<QueueDepth> {
  const { Attributes = {} } = await client.send(
    new GetQueueAttributesCommand({
      QueueUrl: url,
      AttributeNames: [
        'ApproximateNumberOfMessages',
        'ApproximateNumberOfMessagesDelayed',
        'ApproximateNumberOfMessagesNotVisible',
      ],
    }),
  );
  const count = (name: keyof typeof Attributes): number => Number(Attributes[name] ?? 0);
  return {
    waiting: count('ApproximateNumberOfMessages') + count('ApproximateNumberOfMessagesDelayed'),
    inWork: count('ApproximateNumberOfMessagesNotVisible'),
  };
}
