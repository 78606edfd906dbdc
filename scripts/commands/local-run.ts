import { collectGarbageLessOften } from '#local/collect-garbage-less-often.ts';
import { createEmbeddedPipeline, type Settled } from '#local/embedded-pipeline.ts';
import { createFolderStore } from '#local/folder-store.ts';
import { createLocalPhotos } from '#local/local-photos.ts';
import { createMemoryQueue } from '#local/memory-queue.ts';
import type { PhotoInput } from '#local/photo-inputs.ts';
import { sweepUnfinished } from '#local/sweep-unfinished.ts';
import { systemClock } from '#local/system-clock.ts';
import { catalogue } from '#pipeline/catalogue.ts';
import type { Tools } from './open-tools.ts';
import { writeReport } from './write-report.ts';

export type LocalRunOptions = {
  /** The results folder, absolute. */
  readonly out: string;
  readonly tools: Tools;
  /** Do again what is done. Default: skip it. */
  readonly force?: boolean;
  /** Photos in work at once. Default 1. */
  readonly concurrency?: number;
  /** No new photo is begun once it is aborted. */
  readonly interrupt: AbortSignal;
  readonly onSettled: (settled: Settled) => void;
};

export type LocalRun = {
  /** Every input to its record, then the manifest over everything in `out`. `report` writes the page and answers where it is. */
  process(
    inputs: readonly PhotoInput[],
    references?: readonly PhotoInput[],
  ): Promise<{ readonly report: () => Promise<string> }>;
};

/** The pipeline over files of this machine. */
export function createLocalRun(options: LocalRunOptions): LocalRun {
  const { out, tools, force = false, concurrency = 1, interrupt, onSettled } = options;
  collectGarbageLessOften();
  const results = createFolderStore(out);
  const clock = systemClock;

  return {
    async process(inputs, references = []) {
      const swept = sweepUnfinished(out, clock.now());
      const photos = createLocalPhotos([...inputs, ...references]);
      const settled: Settled[] = [];
      const deadLetters = createMemoryQueue();
      const pipeline = createEmbeddedPipeline({
        ...tools,
        ...{ photos, results, clock, deadLetters, force },
        // No photo takes an hour: a message comes again only when its work threw.
        queue: createMemoryQueue({ visibilitySeconds: 3600, maxReceiveCount: 5, deadLetters }),
        onSettled(photo) {
          settled.push(photo);
          onSettled(photo);
        },
      });
      const waiting = inputs.values();
      const worker = async () => {
        for (const input of waiting) {
          if (interrupt.aborted) return;
          await pipeline.process(await photos.referenceOf(input));
        }
      };
      try {
        await Promise.all(Array.from({ length: concurrency }, worker));
      } finally {
        await swept;
        // Whatever stopped the workers, the photos that are done are counted.
        await catalogue(
          settled.map(({ record }) => record),
          { results, clock },
        );
      }
      return { report: () => writeReport({ out, results, photos, clock }) };
    },
  };
}
