import type { Message, Queue } from '#pipeline/ports.ts';
import { systemClock, type WakingClock } from './system-clock.ts';

export type MemoryQueueOptions = {
  /** How long a received message is hidden. Default 30, as in SQS. */
  readonly visibilitySeconds?: number;
  /** After so many receives the next one moves the message to `deadLetters` instead. Default: never. */
  readonly maxReceiveCount?: number;
  /** Where such messages go. Without it they are dropped. */
  readonly deadLetters?: Queue;
  /** Default: the system's. */
  readonly clock?: WakingClock;
  /** With a seed messages come in no order, as from SQS, but in the same one every time. Default: first in, first out. */
  readonly seed?: number;
};

export type MemoryQueue = Queue & {
  /** Messages that can be received now, and those received but neither acknowledged nor expired. Both 0: all work is done. */
  counts(): { readonly visible: number; readonly hidden: number };
  /** Receives that wait answer at once, as do all later ones: for the end of a run. Messages stay. */
  stopWaiting(): void;
};

/** SQS within a process: at least once, hidden while received, redelivered, dead letters moved on receive. Waiting costs nothing: no polling. */
export function createMemoryQueue(options: MemoryQueueOptions = {}): MemoryQueue {
  const {
    visibilitySeconds = 30,
    maxReceiveCount = Number.POSITIVE_INFINITY,
    deadLetters,
    clock = systemClock,
    seed,
  } = options;
  const pick = seed === undefined ? () => 0 : createPicker(seed);
  const visible: Waiting[] = [];
  const hidden = new Map<string, Hidden>(); // by receipt
  const waiters = new Set<() => void>();
  let sent = 0;
  let receipts = 0;
  let stopped = false;

  function wakeWaiters(): void {
    for (const wake of [...waiters]) wake();
  }

  function show({ id, body, receiveCount }: Waiting): void {
    visible.push({ id, body, receiveCount });
    wakeWaiters();
  }

  function showExpired(): void {
    const now = clock.milliseconds();
    for (const [receipt, message] of hidden) {
      if (message.visibleAt > now) continue;
      hidden.delete(receipt);
      show(message);
    }
  }

  function takeOne(): Waiting | undefined {
    return visible.splice(pick(visible.length), 1)[0];
  }

  async function take(max: number): Promise<readonly Message[]> {
    showExpired();
    const messages: Message[] = [];
    const dead: Waiting[] = [];
    while (messages.length < max) {
      const next = takeOne();
      if (next === undefined) break;
      if (next.receiveCount >= maxReceiveCount) dead.push(next);
      else messages.push(hide(next));
    }
    await bury(dead);
    return messages;
  }

  function hide({ id, body, receiveCount }: Waiting): Message {
    const message = { id, body, receipt: `${id}#${++receipts}`, receiveCount: receiveCount + 1 };
    hidden.set(message.receipt, { ...message, visibleAt: clock.milliseconds() + visibilitySeconds * 1000 });
    return message;
  }

  async function bury(dead: readonly Waiting[]): Promise<void> {
    if (dead.length === 0) return;
    try {
      await deadLetters?.send(dead.map(({ body }) => body));
    } catch (cause) {
      for (const message of dead) show(message);
      throw new Error(`Could not move ${dead.length} messages to the dead letters`, { cause });
    }
  }

  /** Until a message is sent or released, one expires, or the deadline has come. */
  async function change(deadline: number): Promise<void> {
    if (visible.length > 0) return; // sent while the take was on its way
    const expiries = [...hidden.values()].map(({ visibleAt }) => visibleAt);
    const until = expiries.reduce((first, visibleAt) => Math.min(first, visibleAt), deadline);
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        waiters.delete(wake);
        cancel();
        resolve();
      };
      const cancel = clock.after(Math.max(0, until - clock.milliseconds()), wake);
      waiters.add(wake);
    });
  }

  return {
    async send(bodies) {
      for (const body of bodies) show({ id: `message-${++sent}`, body, receiveCount: 0 });
    },

    async receive(max, waitSeconds) {
      const deadline = clock.milliseconds() + waitSeconds * 1000;
      for (;;) {
        const messages = await take(max);
        if (messages.length > 0 || stopped || clock.milliseconds() >= deadline) return messages;
        await change(deadline);
      }
    },

    async acknowledge({ receipt }) {
      hidden.delete(receipt);
    },

    async release({ receipt }, delaySeconds = 0) {
      const message = hidden.get(receipt);
      if (message === undefined) return;
      hidden.set(receipt, { ...message, visibleAt: clock.milliseconds() + delaySeconds * 1000 });
      showExpired();
      wakeWaiters();
    },

    counts() {
      showExpired();
      return { visible: visible.length, hidden: hidden.size };
    },

    stopWaiting() {
      stopped = true;
      wakeWaiters();
    },
  };
}

type Waiting = { readonly id: string; readonly body: string; readonly receiveCount: number };
type Hidden = Waiting & { readonly visibleAt: number };

/** mulberry32: 32 bits of state, plenty for shuffling a queue. */
function createPicker(seed: number): (count: number) => number {
  let state = seed >>> 0;
  return (count) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * count);
  };
}
