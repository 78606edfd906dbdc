import { type CheckTools, checkPhoto } from '#pipeline/check-photo.ts';
import { failPhoto } from '#pipeline/fail-photo.ts';
import { parseJob } from '#pipeline/job.ts';
import type { MetricsRecord } from '#pipeline/metrics-record.ts';
import type { PhotoReference } from '#pipeline/photo.ts';
import type { Queue } from '#pipeline/ports.ts';
import { type UnmaskTools, unmaskPhoto } from '#pipeline/unmask-photo.ts';
import { createDecodedOnce } from './decode-once.ts';

/** A photo that has reached its one counted state. `skipped`: it was done before, by this job. */
export type Settled = { readonly record: MetricsRecord; readonly skipped: boolean };

export type EmbeddedPipeline = {
  /**
   * Checks one photo and then works on the jobs that wait, this photo's or another's, until none is left. Calls may overlap: the number
   * of calls under way is the number of photos in memory. Throws only when a record cannot be written.
   */
  process(photo: PhotoReference): Promise<void>;
};

export type EmbeddedTools = CheckTools &
  UnmaskTools & {
    /** Where jobs go after too many receives. */
    readonly deadLetters: Queue;
    readonly onSettled: (settled: Settled) => void;
  };

/** The lambdas' failed invocations are tried twice more by AWS; here too. */
const checkAttempts = 3;

/** The cloud in one process: the same steps, with a queue in memory between them, but a photo is decoded once for both. */
export function createEmbeddedPipeline(tools: EmbeddedTools): EmbeddedPipeline {
  const { queue, deadLetters, onSettled } = tools;
  const decodedOnce = createDecodedOnce(tools);
  const checkTools = { ...tools, ...decodedOnce.check };
  const unmaskTools = { ...tools, ...decodedOnce.unmask };

  async function check(photo: PhotoReference): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        const outcome = await checkPhoto(photo, checkTools);
        if (outcome.outcome === 'queued') return;
        decodedOnce.drop(photo.etag);
        return onSettled({ record: outcome.record, skipped: outcome.outcome === 'done-before' });
      } catch (error) {
        decodedOnce.drop(photo.etag);
        if (attempt < checkAttempts) continue;
        const message = `The check failed ${checkAttempts} times: ${sentence(error)}`;
        const { record } = await failPhoto(photo, { code: 'internal', message }, tools);
        return onSettled({ record, skipped: false });
      }
    }
  }

  async function work(): Promise<void> {
    const errors = new Map<string, unknown>();
    for (;;) {
      const [message] = await queue.receive(1, 0);
      if (!message) break;
      try {
        const { record, outcome } = await unmaskPhoto(parseJob(message.body), unmaskTools);
        await queue.acknowledge(message);
        onSettled({ record, skipped: outcome === 'exists' });
      } catch (error) {
        errors.set(message.body, error);
        await queue.release(message);
      }
    }
    for (;;) {
      const [letter] = await deadLetters.receive(1, 0);
      if (!letter) return;
      const { photo } = parseJob(letter.body);
      const message = `Unmasking failed again and again: ${sentence(errors.get(letter.body))}`;
      const { record } = await failPhoto(photo, { code: 'dead-letter', message }, tools);
      await deadLetters.acknowledge(letter);
      onSettled({ record, skipped: false });
    }
  }

  return {
    async process(photo) {
      await check(photo);
      await work();
    },
  };
}

const sentence = (error: unknown): string => (error instanceof Error ? error.message : String(error));
