import { setImmediate } from 'node:timers/promises';
import type { WakingClock } from '#local/system-clock.ts';

export type ManualClock = WakingClock & {
  /** Lets everything that is under way settle, moves time on, wakes whoever waited for it, in order, and lets that settle too. */
  advance(milliseconds: number): Promise<void>;
};

/** Stands still until told. Starts at noon of 1 January 2026. */
export function createManualClock(): ManualClock {
  const start = Date.UTC(2026, 0, 1, 12);
  const timers = new Set<{ readonly at: number; readonly wake: () => void }>();
  let elapsed = 0;

  return {
    now: () => new Date(start + elapsed),
    milliseconds: () => elapsed,
    after(milliseconds, wake) {
      const timer = { at: elapsed + milliseconds, wake };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    async advance(milliseconds) {
      const end = elapsed + milliseconds;
      await setImmediate();
      for (;;) {
        const next = [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
        if (next === undefined) break;
        timers.delete(next);
        elapsed = Math.max(elapsed, next.at);
        next.wake();
        await setImmediate();
      }
      elapsed = end;
    },
  };
}
