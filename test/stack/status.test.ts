import { SendMessageCommand } from '@aws-sdk/client-sqs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { runCli } from '../cli/cli.ts';
import { type InProcessAccount, openInProcessAccount } from './in-process-account.ts';
import { record, recordFor } from './stored-photos.ts';

let account: InProcessAccount;
beforeEach(async () => {
  account = await openInProcessAccount();
}, 60_000);
afterEach(() => account.close());

const status = (...args: readonly string[]) => runCli(['status', ...args], { env: { ...account.env } });
const send = (QueueUrl: string) => account.server.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'a' }));

const alarm = (name: string, StateValue: 'OK' | 'ALARM') => ({
  AlarmName: `Unmask-Watch${name}0A1B2C3D-xYz12AbC`,
  StateValue,
  AlarmDescription: `What to do about ${name}.`,
  StateTransitionedTimestamp: Date.UTC(2026, 10, 24) / 1000,
});

describe('status', { timeout: 120_000 }, () => {
  test('of a stack to which nobody has uploaded yet', async () => {
    account.onCloudWatch('DescribeAlarms', () => ({ MetricAlarms: [alarm('OldestJob', 'OK')] }));
    const { code, stdout, stderr } = await status();
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/│ jobs +│ +0 │ +0 │ +│/);
    expect(stdout).toContain(
      'No photo was recorded yet: there is no manifest.\nNone of 1 alarm rings.\nDashboard: https:',
    );
    expect(JSON.parse((await status('--json')).stdout)).toEqual({
      event: 'status',
      stack: 'Unmask',
      region: 'us-east-1',
      healthy: true,
      queues: {
        jobs: { waiting: 0, inWork: 0, oldestSeconds: null },
        deadLetters: { waiting: 0, inWork: 0 },
        records: { waiting: 0, inWork: 0 },
      },
      manifest: null,
      alarms: { all: 1, ringing: [] },
      dashboardUrl: account.stack.dashboardUrl,
    });
  });

  test('what waits, what came of the photos, how old the oldest job is', async () => {
    await record(account, recordFor('photos/a.jpg', 'v'), recordFor('photos/b.jpg', 'v', { status: 'rejected' }));
    await Promise.all([send(account.stack.jobsQueueUrl), send(account.stack.jobsQueueUrl)]);
    await send(account.stack.recordsQueueUrl);
    account.onCloudWatch('GetMetricData', (input) => {
      const [query] = metricRequest.parse(input).MetricDataQueries;
      expect(query?.MetricStat.Metric).toEqual({
        Namespace: 'AWS/SQS',
        MetricName: 'ApproximateAgeOfOldestMessage',
        Dimensions: [{ Name: 'QueueName', Value: 'unmask-jobs' }],
      });
      return { MetricDataResults: [{ Id: query?.Id, StatusCode: 'Complete', Values: [245, 185] }] };
    });
    const { code, stdout } = await status();
    expect(code).toBe(0);
    expect(stdout).toMatch(/│ jobs +│ +2 │ +0 │ +4 min │/);
    expect(stdout).toMatch(/│ records +│ +1 │/);
    expect(stdout).toMatch(/│ all +│ +2 │/);
    expect(JSON.parse((await status('--json')).stdout)).toMatchObject({
      healthy: true,
      queues: { jobs: { waiting: 2, oldestSeconds: 245 } },
      manifest: { photos: 2, counts: { bare: 1, rejected: 1, failed: 0 }, ageSeconds: expect.any(Number) },
    });
  });

  test('exit code 1 when an alarm rings, which is named with what to do', async () => {
    account.onCloudWatch('DescribeAlarms', (input) => {
      expect(input).toMatchObject({ AlarmNamePrefix: 'Unmask-Watch' });
      const first = Object(input).NextToken === undefined;
      return first
        ? { MetricAlarms: [alarm('UnmaskSlow', 'OK')], NextToken: 'more' }
        : { MetricAlarms: [alarm('OldestJob', 'ALARM')] };
    });
    const { code, stdout, stderr } = await status();
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    expect(stdout).toContain('ALARM  OldestJob since 2026-11-24T00:00:00.000Z: What to do about OldestJob.');
  });

  test('exit code 1 when a dead letter lies there', async () => {
    await send(account.stack.deadLetterQueueUrl);
    const { code, stdout } = await status('--json');
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ healthy: false, queues: { deadLetters: { waiting: 1, inWork: 0 } } });
    expect((await status()).stdout).toContain('Dead letters lie there');
  });

  test('what is wrong is one sentence: no credentials, no such stack, no permission', async () => {
    const anonymous = { ...account.env, AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' };
    expect(await runCli(['status'], { env: anonymous })).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^error: Found no AWS credentials that work: .*\n$/),
    });
    expect(await status('--stack', 'None')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^error: There is no stack None in us-east-1\. .*\n$/),
    });
    const message = 'User x is not authorized to perform: cloudwatch:DescribeAlarms';
    account.refuse('CloudWatch.DescribeAlarms', { status: 403, code: 'AccessDenied', message });
    expect(await status()).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^error: AWS denies access: .*DescribeAlarms.*\n$/),
    });
  });
});

const metricRequest = z.object({
  MetricDataQueries: z.array(z.object({ Id: z.string(), MetricStat: z.looseObject({ Metric: z.unknown() }) })),
});
