import { cloudWatchClient, s3Client, sqsClient } from '#aws/clients.ts';
import { type DeployedStack, findStack } from '#aws/find-stack.ts';
import { readAlarms, readMetrics } from '#aws/metrics.ts';
import { type QueueDepth, readQueueDepth } from '#aws/queue-depth.ts';
import { createS3Store } from '#aws/s3-store.ts';
import { systemClock } from '#local/system-clock.ts';
import { manifestKey, parseManifest } from '#pipeline/manifest.ts';
import { exitCodes } from '../commands/exit-codes.ts';
import type { StackOptions } from '../commands/options.ts';
import type { StackStatus } from './stack-status.ts';
import { statusText } from './status-text.ts';

/**
 * `unmask status`: what waits, what came of the photos, what rings. Exit code 1 when an alarm rings or a dead letter lies there. Seven
 * requests, however many photos there are.
 */
export async function status({ json = false, ...options }: StackOptions): Promise<void> {
  const stack = await findStack(options);
  const found = await readStatus(stack, options, systemClock.now());
  console.log(json ? JSON.stringify({ event: 'status', ...found }) : statusText(found));
  if (!found.healthy) process.exitCode = exitCodes.failed;
}

async function readStatus(stack: DeployedStack, options: StackOptions, now: Date): Promise<StackStatus> {
  const account = { ...options, region: stack.region };
  const sqs = sqsClient(account);
  const cloudWatch = cloudWatchClient(account);
  const [jobs, deadLetters, records, oldestSeconds, alarms, manifest] = await Promise.all([
    readQueueDepth(sqs, stack.jobsQueueUrl),
    readQueueDepth(sqs, stack.deadLetterQueueUrl),
    readQueueDepth(sqs, stack.recordsQueueUrl),
    readOldestSeconds(cloudWatch, stack.jobsQueueUrl, now),
    readAlarms(cloudWatch, stack.name),
    readCounts(stack, account, now),
  ]);
  const ringing = alarms.filter(({ state }) => state === 'ALARM');
  return {
    stack: stack.name,
    region: stack.region,
    healthy: ringing.length === 0 && total(deadLetters) === 0,
    queues: {
      // CloudWatch is some minutes behind: what it knew of an empty queue is over.
      jobs: { ...jobs, oldestSeconds: total(jobs) === 0 ? null : oldestSeconds },
      deadLetters,
      records,
    },
    manifest,
    alarms: { all: alarms.length, ringing },
    dashboardUrl: stack.dashboardUrl,
  };
}

const total = ({ waiting, inWork }: QueueDepth): number => waiting + inWork;

/** SQS tells CloudWatch every minute, some minutes late. */
const lookBackMs = 15 * 60_000;

async function readOldestSeconds(
  client: ReturnType<typeof cloudWatchClient>,
  queueUrl: string,
  now: Date,
): Promise<number | null> {
  const metric = {
    namespace: 'AWS/SQS',
    name: 'ApproximateAgeOfOldestMessage',
    dimensions: { QueueName: queueUrl.slice(queueUrl.lastIndexOf('/') + 1) },
    statistic: 'Maximum',
  } as const;
  const from = new Date(now.getTime() - lookBackMs);
  const [[newest] = []] = await readMetrics(client, [metric], { from, to: now, periodSeconds: 60 });
  return newest ?? null;
}

async function readCounts(
  { resultsBucket }: DeployedStack,
  account: Parameters<typeof s3Client>[0],
  now: Date,
): Promise<StackStatus['manifest']> {
  const results = createS3Store({ client: s3Client(account), bucket: resultsBucket });
  const stored = await results.get(manifestKey);
  if (!stored) return null;
  const { counts, aggregates, updatedAt } = parseManifest(stored.bytes);
  const ageSeconds = Math.max(0, Math.round((now.getTime() - Date.parse(updatedAt)) / 1000));
  return { counts, photos: aggregates.photos, updatedAt, ageSeconds };
}
