import Table from 'cli-table3';
import { summarise } from '#pipeline/manifest.ts';
import type { MetricsRecord } from '#pipeline/metrics-record.ts';
import { statuses } from '#pipeline/status.ts';

export type RunFigures = {
  readonly records: readonly MetricsRecord[];
  readonly skipped: number;
  readonly seconds: number;
  readonly out: string;
  readonly report: string;
};

/** What a run did, as data: the `summary` line of `--json`. */
export function summaryEvent({ records, skipped, seconds, out, report }: RunFigures): object {
  return { event: 'summary', ...summarise(records), skipped, seconds: Number(seconds.toFixed(3)), out, report };
}

/** What a run did, for people. */
export function summaryTable({ records, skipped, seconds, out, report }: RunFigures): string {
  const { counts, aggregates } = summarise(records);
  const table = new Table({
    style: { head: [], border: [], compact: true },
    colAligns: ['left', 'right'],
  });
  for (const status of statuses) if (counts[status] > 0) table.push([status, counts[status]]);
  table.push(['photos', aggregates.photos], ['faces unmasked', aggregates.facesUnmasked]);
  if (skipped > 0) table.push(['of these done before', skipped]);
  const { meanPsnr, meanSsim, meanRegionPsnr, meanRegionSsim } = aggregates;
  if (meanRegionPsnr !== null && meanRegionSsim !== null) {
    table.push(['under the mask', `${meanRegionPsnr.toFixed(2)} dB, SSIM ${meanRegionSsim.toFixed(3)}`]);
  }
  if (meanPsnr !== null && meanSsim !== null) {
    table.push(['whole photo', `${meanPsnr.toFixed(2)} dB, SSIM ${meanSsim.toFixed(3)}`]);
  }
  table.push(['seconds', seconds.toFixed(1)]);
  return [
    table.toString(),
    `Photos:  ${out}/unmasked`,
    `Report:  ${report}`,
    'The covered part of each face is imagined: plausible, not true, not for identification.',
  ].join('\n');
}
