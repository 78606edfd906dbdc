import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Message, Queue } from '#pipeline/ports.ts';

export type OpenedQueue = {
  readonly queue: Queue;
  readonly deadLetters: Queue;
  /** Moves time on where the test owns it; where it does not, the receive that waits for that time does the waiting. */
  readonly passSeconds: (seconds: number) => Promise<void>;
  readonly close: () => Promise<void>;
};

/** What the opened queue must be set to. The shortest time that SQS knows, because there it passes for real. */
export const contractSettings = { visibilitySeconds: 1, maxReceiveCount: 2 } as const;

/**
 * What every queue promises, whatever it is made of. Run it once per adapter. `open` gives an empty queue with `contractSettings` and the
 * queue of its dead letters; it is called, and closed, for each test.
 */
export function queueContract(name: string, open: () => Promise<OpenedQueue>): void {
  describe(`${name} is a queue`, () => {
    let opened: OpenedQueue;
    let queue: Queue;
    beforeEach(async () => {
      opened = await open();
      queue = opened.queue;
    });
    afterEach(() => opened.close());

    async function receiveOne(waitSeconds = 0): Promise<Message> {
      const [message, ...others] = await queue.receive(10, waitSeconds);
      if (message === undefined || others.length > 0) throw new Error('Expected exactly one message');
      return message;
    }

    test('an empty queue gives nothing', async () => {
      expect(await queue.receive(10, 0)).toEqual([]);
    });

    test('a message arrives with its body, an id and the count of its receives', async () => {
      await queue.send(['{"key":"photos/ü 😀.jpg"}']);
      const message = await receiveOne();
      expect(message).toMatchObject({ body: '{"key":"photos/ü 😀.jpg"}', receiveCount: 1 });
      expect(message.id).not.toBe('');
    });

    test('sending nothing is no error', async () => {
      await queue.send([]);
      expect(await queue.receive(10, 0)).toEqual([]);
    });

    test('all of 25 messages arrive, no more at a time than asked for', async () => {
      const bodies = Array.from({ length: 25 }, (_, i) => `body ${i}`);
      await queue.send(bodies);
      const received: Message[] = [];
      for (let batch = await queue.receive(7, 0); batch.length > 0; batch = await queue.receive(7, 0)) {
        expect(batch.length).toBeLessThanOrEqual(7);
        received.push(...batch);
      }
      expect(received.map(({ body }) => body).sort()).toEqual([...bodies].sort());
      expect(new Set(received.map(({ id }) => id)).size).toBe(25);
    });

    test('a received message is hidden from others', async () => {
      await queue.send(['job']);
      await receiveOne();
      expect(await queue.receive(10, 0)).toEqual([]);
    });

    test('a message that nobody acknowledges comes again when its time is up', async () => {
      await queue.send(['job']);
      const first = await receiveOne();
      const waiting = receiveOne(5);
      await opened.passSeconds(contractSettings.visibilitySeconds);
      expect(await waiting).toMatchObject({ id: first.id, body: 'job', receiveCount: 2 });
    });

    test('an acknowledged message never comes again, and a second acknowledgement is no error', async () => {
      await queue.send(['job']);
      const message = await receiveOne();
      await queue.acknowledge(message);
      await queue.acknowledge(message);
      const waiting = queue.receive(10, 2);
      await opened.passSeconds(2);
      expect(await waiting).toEqual([]);
    });

    test('a released message comes again at once', async () => {
      await queue.send(['job']);
      const first = await receiveOne();
      await queue.release(first);
      expect(await receiveOne()).toMatchObject({ id: first.id, receiveCount: 2 });
    });

    test('a message released with a delay comes again after it', async () => {
      await queue.send(['job']);
      await queue.release(await receiveOne(), 2);
      expect(await queue.receive(10, 0)).toEqual([]);
      const waiting = receiveOne(5);
      await opened.passSeconds(2);
      expect(await waiting).toMatchObject({ body: 'job', receiveCount: 2 });
    });

    test('releasing a message that is done is no error and does not bring it back', async () => {
      await queue.send(['job']);
      const message = await receiveOne();
      await queue.acknowledge(message);
      await queue.release(message);
      expect(await queue.receive(10, 0)).toEqual([]);
    });

    test('a receive that waits gets a message sent meanwhile', async () => {
      const waiting = receiveOne(20);
      await queue.send(['late']);
      expect(await waiting).toMatchObject({ body: 'late' });
    });

    test('a message received too often goes to the dead letters with its body', async () => {
      await queue.send(['poison']);
      for (let i = 0; i < contractSettings.maxReceiveCount; i++) await queue.release(await receiveOne());
      expect(await queue.receive(10, 0)).toEqual([]);
      expect(await opened.deadLetters.receive(10, 0)).toMatchObject([{ body: 'poison' }]);
    });

    test('a dead letter does not hold up the messages behind it', async () => {
      await queue.send(['poison']);
      for (let i = 0; i < contractSettings.maxReceiveCount; i++) await queue.release(await receiveOne());
      await queue.send(['healthy']);
      const received = [...(await queue.receive(10, 0)), ...(await queue.receive(10, 0))];
      expect(received).toMatchObject([{ body: 'healthy', receiveCount: 1 }]);
    });

    test('workers side by side never hold the same message', async () => {
      const bodies = Array.from({ length: 30 }, (_, i) => `body ${i}`);
      await queue.send(bodies);
      const batches = await Promise.all([1, 2, 3, 4, 5].map(() => queue.receive(10, 0)));
      const held = batches.flat().map(({ body }) => body);
      expect(held.sort()).toEqual([...bodies].sort());
    });
  });
}
