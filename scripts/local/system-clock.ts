import type { Clock } from '#pipeline/ports.ts';

/** A clock that can also wake: whoever waits for time waits through it, so a test that owns the clock owns the waiting. */
export type WakingClock = Clock & {
  /** Calls `wake` once, `milliseconds` from now; the answer cancels that. */
  after(milliseconds: number, wake: () => void): () => void;
};

export const systemClock: WakingClock = {
  now: () => new Date(),
  milliseconds: () => performance.now(),
  after(milliseconds, wake) {
    const timer = setTimeout(wake, milliseconds);
    return () => clearTimeout(timer);
  },
};
