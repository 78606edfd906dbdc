import type { ActualCostOptions } from './actual-cost.ts';
import type { EstimateCostOptions } from './estimate-cost.ts';

export type CostOptions = EstimateCostOptions &
  ActualCostOptions & {
    /** Of the deployed stack instead of by the measured figures. */
    readonly actual?: boolean;
  };

/** `unmask cost`: what so many photos a month will come to; or, with --actual, what was processed and what it came to. */
export async function cost(options: CostOptions): Promise<void> {
  if (options.actual) await (await import('./actual-cost.ts')).actualCost(options);
  else (await import('./estimate-cost.ts')).estimateCost(options);
}
