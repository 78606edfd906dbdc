import { prices } from '#pipeline/photo-price.ts';
import { type BilledMachine, freeUnits, type MeasuredPhoto, photoUsage, type Unit, unitPrice } from './photo-bill.ts';

export type Month = {
  readonly photos: number;
  /** Size of an uploaded photo; the unmasked one is as large. */
  readonly photoMb: number;
  /** Until both are deleted. */
  readonly faceDays: number;
};

/** USD a month: all that is counted, and what is left of it once the free tier is used up. */
export type MonthLine = { readonly what: string; readonly usd: number; readonly afterFreeTier: number };

/** What a deployed stack has day and night. https://aws.amazon.com/cloudwatch/pricing/ has ten alarms and ten metrics free. */
export const alarms = 19;
const metrics = 17;
const freeAlarms = 10;
const freeMetrics = 10;
/** Three event sources, each asking its queue five times at once and waiting 20 s: https://aws.amazon.com/sqs/pricing/ counts every request. */
const pollingRequests = 2e6;

const daysAMonth = 30;

/**
 * The bill of a month in which so many photos come, one line for each service and stage. What is free is taken off line after line, in
 * their order, until it is used up: the sum is right, whichever line had it.
 */
export function monthBill(month: Month, measured: MeasuredPhoto, machine: BilledMachine): readonly MonthLine[] {
  const { photos, photoMb, faceDays } = month;
  const free = new Map<Unit, number>(Object.entries(freeUnits) as [Unit, number][]);
  const used = photoUsage(measured, machine).map((usage) => ({ ...usage, units: photos * usage.units }));
  const polling = { what: 'SQS, standing by', unit: 'sqsRequest', units: pollingRequests } as const;
  const counted = [...used, polling].map(({ what, unit, units }) => {
    const left = free.get(unit) ?? 0;
    free.set(unit, Math.max(0, left - units));
    const price = unitPrice(unit, machine.architecture);
    return { what, usd: units * price, afterFreeTier: Math.max(0, units - left) * price };
  });
  const stored = ((photos * 2 * photoMb) / 1000) * (faceDays / daysAMonth) * prices.s3GigabyteMonth;
  return [
    ...counted,
    { what: 'S3, storage', usd: stored, afterFreeTier: stored },
    {
      what: 'Alarms',
      usd: alarms * prices.alarmMonth,
      afterFreeTier: (alarms - freeAlarms) * prices.alarmMonth,
    },
    {
      what: 'Metrics, at most',
      usd: metrics * prices.metricMonth,
      afterFreeTier: (metrics - freeMetrics) * prices.metricMonth,
    },
  ];
}
