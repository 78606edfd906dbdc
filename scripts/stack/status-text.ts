import type { QueueDepth } from '#aws/queue-depth.ts';
import { statuses } from '#pipeline/status.ts';
import { countText, durationText, pluralText } from '../report/numbers.ts';
import { plainTable } from './plain-table.ts';
import type { StackStatus } from './stack-status.ts';

/** For people. */
export function statusText({ stack, region, queues, manifest, alarms, dashboardUrl }: StackStatus): string {
  const { oldestSeconds } = queues.jobs;
  const row = (name: string, { waiting, inWork }: QueueDepth, oldest = '') => [
    name,
    countText(waiting),
    countText(inWork),
    oldest,
  ];
  return [
    `Stack ${stack} in ${region}`,
    plainTable(
      [
        row('jobs', queues.jobs, oldestSeconds === null ? '' : ageText(oldestSeconds)),
        row('dead letters', queues.deadLetters),
        row('records', queues.records),
      ],
      ['queue', 'waiting', 'in work', 'oldest'],
    ),
    ...manifestLines(manifest),
    ...alarmLines(alarms),
    ...(queues.deadLetters.waiting + queues.deadLetters.inWork > 0
      ? ['Dead letters lie there: each is recorded as failed within minutes; `redrive --dry-run` lists those photos.']
      : []),
    `Dashboard: ${dashboardUrl}`,
  ].join('\n');
}

function manifestLines(manifest: StackStatus['manifest']): readonly string[] {
  if (!manifest) return ['No photo was recorded yet: there is no manifest.'];
  const { counts, photos, ageSeconds, updatedAt } = manifest;
  const rows = statuses.flatMap((status) => (counts[status] > 0 ? [[status, countText(counts[status])]] : []));
  return [
    plainTable([...rows, ['all', countText(photos)]], ['status', 'photos']),
    `The manifest changed ${ageText(ageSeconds)} ago (${updatedAt}).`,
  ];
}

function alarmLines({ all, ringing }: StackStatus['alarms']): readonly string[] {
  if (all === 0) return ['There are no alarms: was the stack changed by hand? Deploy it again: npm run deploy.'];
  if (ringing.length === 0) return [`None of ${pluralText(all, 'alarm')} rings.`];
  return ringing.map(
    ({ name, since, description }) => `ALARM  ${name}${since === null ? '' : ` since ${since}`}: ${description}`,
  );
}

const daySeconds = 86_400;

const ageText = (seconds: number): string =>
  seconds < 3 * daySeconds ? durationText(1000 * seconds) : pluralText(Math.floor(seconds / daySeconds), 'day');
