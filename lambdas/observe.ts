import type { CheckOutcome } from '#pipeline/check-photo.ts';
import type { Commit } from '#pipeline/commit-record.ts';
import type { Manifest } from '#pipeline/manifest.ts';
import { isUnmaskedFace, type MetricsRecord } from '#pipeline/metrics-record.ts';
import type { Status } from '#pipeline/status.ts';

/** Where CloudWatch has the metrics: every function says the same, so that they add up. */
export const businessNamespace = 'Unmask';
export const metricDimensions = { service: 'unmask' } as const;

/** Every metric in that namespace; alarms and dashboard are drawn from these. Each costs $0.30 a month, the first ten nothing. */
export type MetricName =
  | `Photos${'Unmasked' | 'Bare' | 'NoFace' | 'Rejected' | 'Failed'}`
  | 'FacesUnmasked'
  | 'CostUsd'
  | 'DeadLetters'
  | 'UploadsCheckedAgain'
  | 'ManifestLagMs'
  | (typeof stages)[number];

export const stages = ['decodeMs', 'localiseMs', 'denoiseMs', 'unmaskMs', 'pasteMs', 'encodeMs', 'totalMs'] as const;

export const photosBy = {
  unmasked: 'PhotosUnmasked',
  bare: 'PhotosBare',
  'no-face': 'PhotosNoFace',
  rejected: 'PhotosRejected',
  failed: 'PhotosFailed',
} as const satisfies Record<Status, MetricName>;

/** What a handler says about its work: one log line and the metrics of it. Never a key or a pixel: a file name can be a person's. */
export type Observer = {
  checked(outcome: CheckOutcome): void;
  committed(commit: Commit): void;
  deadLetter(commit: Commit): void;
  catalogued(manifest: Manifest, records: readonly MetricsRecord[], now: Date): void;
  checkedAgain(uploads: number): void;
  /** A message that goes back to its queue, and why. */
  returned(messageId: string, why: unknown): void;
};

/** Where lines and numbers go; Powertools in the cloud, arrays in tests. */
export type Sinks = {
  readonly line: (level: 'info' | 'warn', message: string, fields: object) => void;
  readonly measure: (name: MetricName, unit: 'Count' | 'Milliseconds' | 'None', value: number) => void;
  /** What a trace is found by. */
  readonly annotate: (name: 'jobId', value: string) => void;
};

export function createObserver({ line, measure, annotate }: Sinks): Observer {
  const settled = (record: MetricsRecord) => {
    measure(photosBy[record.status], 'Count', 1);
    measure('FacesUnmasked', 'Count', record.faces.filter(isUnmaskedFace).length);
    if (record.cost) measure('CostUsd', 'None', record.cost.usd);
    for (const stage of stages) {
      const milliseconds = record.timings[stage];
      if (milliseconds !== undefined) measure(stage, 'Milliseconds', milliseconds);
    }
  };
  const committed = ({ outcome, record }: Commit) => {
    annotate('jobId', record.jobId);
    line('info', 'photo', { outcome, ...withoutKeys(record) });
    if (outcome === 'written') settled(record);
  };
  return {
    committed,
    checked(checked) {
      if (checked.outcome === 'queued') {
        const { jobId, faces, timings } = checked.job;
        annotate('jobId', jobId);
        return line('info', 'job', { outcome: 'queued', jobId, faces: faces.length, timings });
      }
      committed({ outcome: checked.outcome === 'recorded' ? 'written' : 'exists', record: checked.record });
    },
    deadLetter(commit) {
      measure('DeadLetters', 'Count', 1);
      committed(commit);
    },
    catalogued({ counts, segments }, records, now) {
      const oldest = Math.min(...records.map(({ createdAt }) => Date.parse(createdAt)));
      if (records.length > 0) measure('ManifestLagMs', 'Milliseconds', now.getTime() - oldest);
      line('info', 'manifest', { records: records.length, segments: segments.length, counts });
    },
    checkedAgain(uploads) {
      measure('UploadsCheckedAgain', 'Count', uploads);
      line(uploads > 0 ? 'warn' : 'info', 'reconciled', { uploads });
    },
    returned(messageId, why) {
      line('warn', 'returned', { messageId, why: why instanceof Error ? `${why.name}: ${why.message}` : String(why) });
    },
  };
}

/** The record itself is the log line, less its keys. */
function withoutKeys({ photo, unmasked, ...record }: MetricsRecord): object {
  const { key: _photoKey, ...photoFacts } = photo;
  if (!unmasked) return { ...record, photo: photoFacts };
  const { key: _unmaskedKey, ...unmaskedFacts } = unmasked;
  return { ...record, photo: photoFacts, unmasked: unmaskedFacts };
}
