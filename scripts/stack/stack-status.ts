import type { WatchedAlarm } from '#aws/metrics.ts';
import type { QueueDepth } from '#aws/queue-depth.ts';
import type { Manifest } from '#pipeline/manifest.ts';

/** How a deployed stack is, as data: the line of --json. */
export type StackStatus = {
  readonly stack: string;
  readonly region: string;
  /** No alarm rings and no dead letter lies there. */
  readonly healthy: boolean;
  readonly queues: {
    readonly jobs: QueueDepth & {
      /** null: there is none, or CloudWatch does not know it yet. */
      readonly oldestSeconds: number | null;
    };
    readonly deadLetters: QueueDepth;
    readonly records: QueueDepth;
  };
  /** Of the newest upload of each key; null: nothing was ever recorded. */
  readonly manifest: {
    readonly counts: Manifest['counts'];
    readonly photos: number;
    readonly updatedAt: string;
    readonly ageSeconds: number;
  } | null;
  readonly alarms: { readonly all: number; readonly ringing: readonly WatchedAlarm[] };
  readonly dashboardUrl: string;
};
