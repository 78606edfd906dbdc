import type { Architecture } from '#pipeline/photo-price.ts';
import type { StackOptions } from '../commands/options.ts';

export type CostOptions = StackOptions & {
  /** Photos a month. */
  readonly photos: number;
  readonly architecture?: Architecture;
  /** MB. */
  readonly memory?: number;
  readonly photoMb: number;
  readonly faceDays: number;
  /** Of the deployed stack instead of by the measured figures. */
  readonly actual?: boolean;
  /** A date, or so long ago: 30d. */
  readonly since: string;
};

/** `unmask cost`: what so many photos a month will come to; or, with --actual, what was processed and what it came to. */
export async function cost(options: CostOptions): Promise<void> {
  if (options.actual) await (await import('./actual-cost.ts')).actualCost(options);
  else (await import('./estimate-cost.ts')).estimateCost(options);
}
