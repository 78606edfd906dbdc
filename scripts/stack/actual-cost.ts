import { cloudWatchClient } from '#aws/clients.ts';
import { type DeployedStack, findStack } from '#aws/find-stack.ts';
import { type AskedMetric, readMetrics } from '#aws/metrics.ts';
import { systemClock } from '#local/system-clock.ts';
import { statuses } from '#pipeline/status.ts';
import measured from '../../infra/measured.json' with { type: 'json' };
import { businessNamespace, type MetricName, metricDimensions, photosBy, stages } from '../../lambdas/observe.ts';
import type { StackOptions } from '../commands/options.ts';
import { sinceDate } from '../commands/since.ts';
import { countText, durationText, sum } from '../report/numbers.ts';
import { bill, total } from './photo-bill.ts';
import { plainTable, usdText } from './plain-table.ts';

const minuteSeconds = 60;
const hourSeconds = 3600;
/** CloudWatch keeps figures of five minutes for 63 days, of an hour for 455. */
const fineDays = 15;
const dayMs = 86_400_000;

export type ActualCostOptions = StackOptions & {
  /** A date, or so long ago: 30d. */
  readonly since: string;
};

/** What the functions measured of themselves, from CloudWatch. */
export async function actualCost(options: ActualCostOptions): Promise<void> {
  const now = systemClock.now();
  const since = sinceDate(options.since, now);
  const stack = await findStack(options);
  const client = cloudWatchClient({ ...options, region: stack.region });
  const periodSeconds = now.getTime() - since.getTime() <= fineDays * dayMs ? 5 * minuteSeconds : hourSeconds;
  // Whole periods: half of the first one is no figure that CloudWatch has.
  const periodMs = periodSeconds * 1000;
  const from = new Date(Math.floor(since.getTime() / periodMs) * periodMs);
  const asked = [
    ...statuses.map((status) => business(photosBy[status])),
    business('FacesUnmasked'),
    business('CostUsd'),
    ...stages.flatMap((stage) => [business(stage), business(stage, 'SampleCount')]),
  ];
  const values = await readMetrics(client, asked, { from, to: now, periodSeconds });
  const sumOf = (metric: MetricName, statistic: AskedMetric['statistic'] = 'Sum') =>
    sum(values[asked.findIndex((one) => one.name === metric && one.statistic === statistic)] ?? []);

  const counts = Object.fromEntries(statuses.map((status) => [status, sumOf(photosBy[status])]));
  const photos = sum(Object.values(counts));
  const { architecture, unmaskMemory: memoryMb } = stack;
  const figures: Figures = {
    since: from.toISOString(),
    photos,
    counts,
    facesUnmasked: sumOf('FacesUnmasked'),
    usd: sumOf('CostUsd'),
    stages: stages.flatMap((stage) => {
      const times = sumOf(stage, 'SampleCount');
      return times === 0 ? [] : [{ stage, photos: times, meanMs: sumOf(stage) / times }];
    }),
    estimatedUsd: (photos / 1000) * total(bill(measured, { architecture, memoryMb })),
  };
  if (options.json) console.log(JSON.stringify({ event: 'actual-cost', stack: stack.name, ...figures }));
  else console.log(photos === 0 ? nothingText(stack, figures) : textOf(stack, figures));
}

const business = (name: MetricName, statistic: AskedMetric['statistic'] = 'Sum'): AskedMetric => ({
  namespace: businessNamespace,
  name,
  dimensions: metricDimensions,
  statistic,
});

type Figures = {
  readonly since: string;
  readonly photos: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly facesUnmasked: number;
  /** Compute of the stages and requests of the photos, as their records say. */
  readonly usd: number;
  readonly stages: readonly { readonly stage: string; readonly photos: number; readonly meanMs: number }[];
  /** The whole bill of so many photos by the measured figures, on this stack's machine. */
  readonly estimatedUsd: number;
};

const nothingText = ({ name, region }: DeployedStack, { since }: Figures): string =>
  `CloudWatch has no photos of stack ${name} in ${region} since ${since}. New ones show after a minute or two; --since 90d looks further back.`;

function textOf({ name, region, architecture, unmaskMemory }: DeployedStack, figures: Figures): string {
  const { since, photos, counts, facesUnmasked, usd, stages: times, estimatedUsd } = figures;
  return [
    `Stack ${name} in ${region} since ${since}:`,
    plainTable(
      [
        ...statuses.flatMap((status) => (counts[status] ? [[status, countText(counts[status])]] : [])),
        ['photos', countText(photos)],
        ['faces unmasked', countText(facesUnmasked)],
        ['compute and requests', usdText(usd)],
        ['for 1,000 photos', usdText((1000 * usd) / photos)],
      ],
      ['', 'all'],
    ),
    plainTable(
      times.map(({ stage, photos: measuredPhotos, meanMs }) => [
        stage.replace(/Ms$/, ''),
        countText(measuredPhotos),
        durationText(meanMs),
      ]),
      ['stage', 'photos', 'mean'],
    ),
    `Waiting for S3, starts, logs, traces and the manifest come on top: by the estimate the whole work is ${usdText(estimatedUsd)} on ${architecture}, ${unmaskMemory} MB,`,
    'nothing deducted for the free tier; storage and standing by besides (`cost --photos`). AWS Billing has the last word.',
  ].join('\n');
}
