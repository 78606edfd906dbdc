import type { SendMessageBatchCommandInput, SendMessageBatchCommandOutput } from '@aws-sdk/client-sqs';
import { SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createSqsQueue } from '#aws/sqs-queue.ts';
import { bootFauxqs, type Fauxqs } from '../contracts/fauxqs.ts';
import { contractSettings, queueContract } from '../contracts/queue-contract.ts';

let fauxqs: Fauxqs;
let queues = 0;
beforeAll(async () => {
  fauxqs = await bootFauxqs();
});
afterAll(() => fauxqs.close());

queueContract('an SQS queue', async () => {
  const client = fauxqs.sqs;
  const deadLetterUrl = await fauxqs.createQueue(`dead-${++queues}`);
  const url = await fauxqs.createQueue(`queue-${queues}`, { ...contractSettings, deadLetterUrl });
  return {
    queue: createSqsQueue({ client, url }),
    deadLetters: createSqsQueue({ client, url: deadLetterUrl }),
    passSeconds: async () => {}, // the receives wait for real
    close: async () => {},
  };
});

describe('a batch that SQS takes only in part', () => {
  /** A client whose requests are real, but the first `times` batches leave out the messages whose bodies start with 'slow'. */
  function refusing(times: number, fault: { readonly SenderFault: boolean; readonly Code: string }) {
    const client = new SQSClient({
      endpoint: fauxqs.endpoint,
      region: 'us-east-1',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    });
    let left = times;
    client.middlewareStack.add(
      (next, context) => async (args) => {
        if (context.commandName !== 'SendMessageBatchCommand' || left-- <= 0) return next(args);
        const { Entries = [], QueueUrl } = args.input as SendMessageBatchCommandInput;
        const refused = Entries.filter(({ MessageBody }) => MessageBody?.startsWith('slow'));
        const taken = Entries.filter((entry) => !refused.includes(entry));
        const failed = refused.map(({ Id }) => ({ Id, ...fault }));
        if (taken.length === 0) return { response: {}, output: { $metadata: {}, Failed: failed } as never };
        const result = await next({ ...args, input: { QueueUrl, Entries: taken } });
        (result.output as SendMessageBatchCommandOutput).Failed = failed as never;
        return result;
      },
      { step: 'initialize' },
    );
    return client;
  }

  const bodies = ['a', 'slow b', 'c', 'slow d'];

  test('has the rest sent again, once each', async () => {
    const url = await fauxqs.createQueue(`queue-${++queues}`);
    const waits: number[] = [];
    const client = refusing(2, { SenderFault: false, Code: 'InternalError' });
    const queue = createSqsQueue({ client, url, wait: async (milliseconds) => waits.push(milliseconds) });
    await queue.send(bodies);
    expect((await queue.receive(10, 0)).map(({ body }) => body).sort()).toEqual([...bodies].sort());
    expect(waits).toEqual([100, 200]);
    client.destroy();
  });

  test('is an error when SQS keeps refusing', async () => {
    const url = await fauxqs.createQueue(`queue-${++queues}`);
    const client = refusing(99, { SenderFault: false, Code: 'InternalError' });
    const queue = createSqsQueue({ client, url, wait: async () => {} });
    await expect(queue.send(bodies)).rejects.toThrow('SQS did not take 2 of 4 messages: InternalError');
    client.destroy();
  });

  test('is an error at once when the sender is at fault', async () => {
    const url = await fauxqs.createQueue(`queue-${++queues}`);
    const queue = createSqsQueue({ client: fauxqs.sqs, url, wait: () => expect.unreachable('no retry can help') });
    await expect(queue.send(['fine', 'not \u0001 allowed'])).rejects.toThrow(/SQS did not take 1 of 2 messages: /);
  });
});

test('a queue that is not there is an error', async () => {
  const url = (await fauxqs.createQueue(`queue-${++queues}`)).replace('queue-', 'nowhere-');
  const queue = createSqsQueue({ client: fauxqs.sqs, url });
  await expect(queue.send(['job'])).rejects.toThrow();
  await expect(queue.receive(1, 0)).rejects.toThrow();
});
