import { expect, test } from 'vitest';
import { createMemoryQueue } from '#local/memory-queue.ts';
import { createManualClock } from '../contracts/manual-clock.ts';
import { contractSettings, queueContract } from '../contracts/queue-contract.ts';

queueContract('a queue in memory', async () => {
  const clock = createManualClock();
  const deadLetters = createMemoryQueue({ clock });
  return {
    queue: createMemoryQueue({ ...contractSettings, deadLetters, clock }),
    deadLetters,
    passSeconds: (seconds) => clock.advance(seconds * 1000),
    close: async () => {},
  };
});

queueContract('a queue in memory with disorder', async () => {
  const clock = createManualClock();
  const deadLetters = createMemoryQueue({ clock });
  return {
    queue: createMemoryQueue({ ...contractSettings, deadLetters, clock, seed: 7 }),
    deadLetters,
    passSeconds: (seconds) => clock.advance(seconds * 1000),
    close: async () => {},
  };
});

const bodies = Array.from({ length: 10 }, (_, i) => `body ${i}`);

async function order(seed?: number): Promise<readonly string[]> {
  const queue = createMemoryQueue(seed === undefined ? {} : { seed });
  await queue.send(bodies);
  return (await queue.receive(10, 0)).map(({ body }) => body);
}

test('without a seed messages come as they were sent', async () => {
  expect(await order()).toEqual(bodies);
});

test('with a seed they come in another order, the same every time', async () => {
  expect(await order(1)).not.toEqual(bodies);
  expect(await order(1)).toEqual(await order(1));
  expect(await order(2)).not.toEqual(await order(1));
});

test('a message stays hidden until the last moment of its visibility', async () => {
  const clock = createManualClock();
  const queue = createMemoryQueue({ visibilitySeconds: 30, clock });
  await queue.send(['job']);
  await queue.receive(1, 0);
  await clock.advance(29_999);
  expect(await queue.receive(1, 0)).toEqual([]);
  await clock.advance(1);
  expect(await queue.receive(1, 0)).toMatchObject([{ body: 'job', receiveCount: 2 }]);
});

test('a receive that waits in vain answers when its time is up, not before', async () => {
  const clock = createManualClock();
  const queue = createMemoryQueue({ clock });
  let answer: unknown = 'waiting';
  const waiting = queue.receive(1, 20).then((messages) => {
    answer = messages;
  });
  await clock.advance(19_999);
  expect(answer).toBe('waiting');
  await clock.advance(1);
  await waiting;
  expect(answer).toEqual([]);
});

test('an acknowledgement that comes after the message went to another worker does not take it away', async () => {
  const clock = createManualClock();
  const queue = createMemoryQueue({ visibilitySeconds: 1, clock });
  await queue.send(['job']);
  const [late] = await queue.receive(1, 0);
  await clock.advance(1000);
  await queue.receive(1, 0);
  await queue.acknowledge(late!);
  expect(queue.counts()).toEqual({ visible: 0, hidden: 1 });
});

test('its counts tell when all work is done', async () => {
  const clock = createManualClock();
  const queue = createMemoryQueue({ visibilitySeconds: 1, clock });
  await queue.send(['a', 'b']);
  expect(queue.counts()).toEqual({ visible: 2, hidden: 0 });
  const [message] = await queue.receive(1, 0);
  expect(queue.counts()).toEqual({ visible: 1, hidden: 1 });
  await queue.acknowledge(message!);
  expect(queue.counts()).toEqual({ visible: 1, hidden: 0 });
  await queue.receive(1, 0);
  await clock.advance(1000);
  expect(queue.counts()).toEqual({ visible: 1, hidden: 0 });
});

test('several workers that wait are all served', async () => {
  const queue = createMemoryQueue({ clock: createManualClock() });
  const waiting = [1, 2, 3].map(() => queue.receive(1, 20));
  await queue.send(['a', 'b', 'c']);
  expect((await Promise.all(waiting)).flat().map(({ body }) => body)).toEqual(['a', 'b', 'c']);
});

test('a run that ends does not leave workers waiting', async () => {
  const queue = createMemoryQueue({ clock: createManualClock() });
  const waiting = queue.receive(1, 20);
  queue.stopWaiting();
  expect(await waiting).toEqual([]);
  expect(await queue.receive(1, 20)).toEqual([]);
});

test('a message is not lost when the dead letters refuse it', async () => {
  const deadLetters = { ...createMemoryQueue(), send: () => Promise.reject(new Error('full')) };
  const queue = createMemoryQueue({ maxReceiveCount: 1, deadLetters });
  await queue.send(['poison']);
  const [message] = await queue.receive(1, 0);
  await queue.release(message!);
  await expect(queue.receive(1, 0)).rejects.toThrow('Could not move 1 messages to the dead letters');
  expect(queue.counts()).toEqual({ visible: 1, hidden: 0 });
});
