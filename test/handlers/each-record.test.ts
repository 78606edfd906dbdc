import { expect, test } from 'vitest';
import { eachRecord } from '../../lambdas/each-record.ts';
import { observing } from './events.ts';

const records = ['a', 'b', 'c'].map((messageId) => ({ messageId, body: messageId, receiveCount: 1 }));

test('a message that throws is not done, and the others are', async () => {
  const { observer, lines } = observing();
  const work = async ({ body }: { body: string }) => {
    if (body === 'b') throw new Error('S3 was slow.');
  };
  expect(await eachRecord(records, work, { observer })).toEqual([
    { messageId: 'a', done: true },
    { messageId: 'b', done: false },
    { messageId: 'c', done: true },
  ]);
  expect(lines).toEqual([
    { level: 'warn', message: 'returned', fields: { messageId: 'b', why: 'Error: S3 was slow.' } },
  ]);
});

test('when time runs short, what was started is done and the rest goes back', async () => {
  const { observer } = observing();
  const started: string[] = [];
  const work = async ({ body }: { body: string }) => void started.push(body);
  const outcomes = await eachRecord(records, work, { observer, hasTime: () => started.length < 1 });
  expect(started).toEqual(['a']);
  expect(outcomes.map(({ done }) => done)).toEqual([true, false, false]);
});

test('one at a time unless told', async () => {
  let now = 0;
  let most = 0;
  const work = async () => {
    most = Math.max(most, ++now);
    await Promise.resolve();
    now--;
  };
  await eachRecord(records, work, observing());
  expect(most).toBe(1);
  await eachRecord(records, work, { ...observing(), atOnce: 2 });
  expect(most).toBe(2);
});

test('when one is done the next begins, and outcomes keep the order of the messages', async () => {
  const { promise: slow, resolve: finish } = Promise.withResolvers<void>();
  const ended: string[] = [];
  const work = async ({ body }: { body: string }) => {
    if (body === 'a') await slow;
    ended.push(body);
    if (body === 'c') finish();
  };
  const outcomes = await eachRecord(records, work, { ...observing(), atOnce: 2 });
  expect(ended).toEqual(['b', 'c', 'a']);
  expect(outcomes.map(({ messageId }) => messageId)).toEqual(['a', 'b', 'c']);
});
