import { ListBucketsCommand } from '@aws-sdk/client-s3';
import { GetQueueAttributesCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { s3Client, sqsClient } from '#aws/clients.ts';
import { findStack } from '#aws/find-stack.ts';
import { type InProcessAccount, openInProcessAccount } from './in-process-account.ts';

let account: InProcessAccount;
beforeAll(async () => {
  account = await openInProcessAccount();
  for (const [name, value] of Object.entries(account.env)) vi.stubEnv(name, value);
}, 60_000);
afterAll(async () => {
  vi.unstubAllEnvs();
  await account.close();
});

const find = (options: { readonly stack?: string; readonly region?: string; readonly profile?: string } = {}) =>
  findStack({ stack: 'Unmask', ...options });

test('a stack is what it puts out, in the region that was asked', async () => {
  expect(await find()).toEqual(account.stack);
  expect(await find({ region: 'eu-central-1' })).toEqual({ ...account.stack, region: 'eu-central-1' });
});

test("the queues and buckets that it names are reached by a person's clients", async () => {
  const { jobsQueueUrl, photosBucket } = await find();
  const asked = new GetQueueAttributesCommand({ QueueUrl: jobsQueueUrl, AttributeNames: ['QueueArn'] });
  expect((await sqsClient().send(asked)).Attributes?.QueueArn).toContain('unmask-jobs');
  const { Buckets = [] } = await s3Client().send(new ListBucketsCommand());
  expect(Buckets.map(({ Name }) => Name)).toContain(photosBucket);
});

describe('what is wrong is one sentence with what to do', { timeout: 60_000 }, () => {
  test('no such stack', async () => {
    await expect(find({ stack: 'Elsewhere' })).rejects.toMatchObject({
      code: 'no-such-stack',
      message:
        'There is no stack Elsewhere in us-east-1. Give another --region, --profile or --stack, or deploy it: npm run deploy.',
    });
  });

  test('a stack of an older version, without an output', async () => {
    account.setStack({ outputs: { JobsQueue: undefined, UnmaskMemoryMb: undefined } });
    await expect(find()).rejects.toMatchObject({
      code: 'older-stack',
      message: expect.stringContaining('does not put out JobsQueue, UnmaskMemoryMb. Deploy this version'),
    });
    account.setStack({ status: 'CREATE_IN_PROGRESS' });
    await expect(find()).rejects.toMatchObject({
      code: 'unready-stack',
      message: expect.stringContaining('it is CREATE_IN_PROGRESS'),
    });
    account.setStack({
      status: 'UPDATE_COMPLETE',
      outputs: { JobsQueue: account.stack.jobsQueueUrl, UnmaskMemoryMb: '1769' },
    });
    expect(await find()).toEqual(account.stack);
  });

  test('access denied', async () => {
    const message = 'User: arn:aws:iam::1:user/x is not authorized to perform: cloudformation:DescribeStacks';
    account.refuse('DescribeStacks', { status: 403, code: 'AccessDenied', message });
    await expect(find()).rejects.toMatchObject({
      code: 'access-denied',
      message: `AWS denies access: ${message}. Give another --profile, or have the permission added to this one.`,
    });
    account.refuse('DescribeStacks', { status: 403, code: 'ExpiredToken', message: 'The token has expired' });
    await expect(find()).rejects.toMatchObject({ code: 'expired-credentials' });
    account.refuse('DescribeStacks', undefined);
  });

  test('no credentials, no such profile, no region, nobody there', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', undefined);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', undefined);
    await expect(find()).rejects.toMatchObject({
      code: 'no-credentials',
      message: expect.stringContaining('aws configure'),
    });
    await expect(find({ profile: 'nobody' })).rejects.toMatchObject({ code: 'no-credentials' });
    vi.stubEnv('AWS_REGION', undefined);
    await expect(find()).rejects.toMatchObject({ code: 'no-region' });
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
    vi.stubEnv('AWS_ENDPOINT_URL_CLOUDFORMATION', 'http://127.0.0.1:1');
    await expect(find({ region: 'us-east-1' })).rejects.toMatchObject({ code: 'unreachable' });
  });
});
