import { Duration } from 'aws-cdk-lib';
import { EventSourceMapping } from 'aws-cdk-lib/aws-lambda';
import { Queue, QueueEncryption, type QueueProps } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import { allowConsuming } from './grants.ts';
import type { PipelineFunction } from './pipeline-function.ts';

/** The longest that SQS keeps a message: time for a person to come back from a holiday. */
const longest = Duration.days(14);

export function closedQueue(scope: Construct, id: string, props: QueueProps = {}): Queue {
  return new Queue(scope, id, {
    encryption: QueueEncryption.SQS_MANAGED,
    enforceSSL: true,
    retentionPeriod: longest,
    ...props,
  });
}

/**
 * How long a message stays hidden from others once a function has it: six times the function's timeout and the time that a batch is
 * gathered, so that a throttled or retried invocation still owns its messages.
 * https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
 */
export function visibilityFor(timeout: Duration, gather: Duration = Duration.seconds(0)): Duration {
  return Duration.seconds(6 * timeout.toSeconds() + gather.toSeconds());
}

export type FedBy = {
  readonly batchSize: number;
  readonly maxConcurrency: number;
  /** Wait this long for a batch to fill. */
  readonly gather?: Duration;
};

/** The function takes from the queue in batches and says for each message whether it is done. */
export function feed(
  consumer: PipelineFunction,
  queue: Queue,
  { batchSize, maxConcurrency, gather }: FedBy,
): EventSourceMapping {
  allowConsuming(consumer.role, queue);
  return new EventSourceMapping(consumer, 'Source', {
    target: consumer.function,
    eventSourceArn: queue.queueArn,
    batchSize,
    maxConcurrency,
    reportBatchItemFailures: true,
    ...(gather && { maxBatchingWindow: gather }),
  });
}
