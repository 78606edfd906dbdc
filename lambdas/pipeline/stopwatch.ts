import type { Clock } from './ports.ts';

/** Adds up milliseconds per stage: `await time('decodeMs', () => codec.decode(bytes))`. A stage that ran twice is the sum. */
export function createStopwatch<Stage extends `${string}Ms`>(clock: Clock) {
  const timings: Partial<Record<Stage, number>> = {};
  return {
    async time<Result>(stage: Stage, work: () => Result | Promise<Result>): Promise<Result> {
      const start = clock.milliseconds();
      try {
        return await work();
      } finally {
        timings[stage] = round((timings[stage] ?? 0) + clock.milliseconds() - start);
      }
    },
    timings: (): Partial<Record<Stage, number>> => ({ ...timings }),
  };
}

const round = (milliseconds: number): number => Math.round(milliseconds * 100) / 100;

/** Stages of several steps added up, and their total; in the cloud a photo is decoded in the check and again to be unmasked. */
export function totalled(...parts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const [stage, milliseconds] of parts.flatMap((part) => Object.entries(part))) {
    sums[stage] = round((sums[stage] ?? 0) + milliseconds);
  }
  return { ...sums, totalMs: round(Object.values(sums).reduce((total, milliseconds) => total + milliseconds, 0)) };
}
