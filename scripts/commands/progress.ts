import { SingleBar } from 'cli-progress';
import type { Settled } from '#local/embedded-pipeline.ts';
import { isUnmaskedFace } from '#pipeline/metrics-record.ts';
import { photoPath } from '#pipeline/photo.ts';
import { printable } from './printable.ts';

export type Progress = { settled(settled: Settled): void; stop(): void };

export type ProgressOptions = {
  readonly total: number;
  readonly json: boolean;
  /** The end is not known: a line for each photo, on a terminal too. Default false. */
  readonly follow?: boolean;
  readonly stdout?: NodeJS.WriteStream;
  readonly stderr?: NodeJS.WriteStream;
};

/** A bar on a terminal, a line for each photo elsewhere (both on standard error), NDJSON on standard output with `json`. */
export function createProgress(options: ProgressOptions): Progress {
  const { total, json, follow = false, stdout = process.stdout, stderr = process.stderr } = options;
  if (json) return jsonLines(stdout);
  return stderr.isTTY && !follow ? bar(total, stderr) : plainLines(total, stderr);
}

function jsonLines(stream: NodeJS.WriteStream): Progress {
  return {
    settled: ({ record, skipped }) => stream.write(`${JSON.stringify({ event: 'photo', skipped, record })}\n`),
    stop() {},
  };
}

function plainLines(total: number, stream: NodeJS.WriteStream): Progress {
  let done = 0;
  return {
    settled({ record, skipped }) {
      done++;
      const { status, reason, timings } = record;
      const faces = facesUnmasked(record);
      const detail = skipped
        ? 'done before'
        : [
            faces > 0 ? `${faces} ${faces === 1 ? 'face' : 'faces'}` : undefined,
            timings.totalMs === undefined ? undefined : `${Math.round(timings.totalMs)} ms`,
            reason?.message,
          ]
            .filter(Boolean)
            .join(', ');
      const place = total > 0 ? `[${done}/${total}]` : `[${done}]`;
      stream.write(
        `${place} ${status.padEnd(8)} ${printable(photoPath(record.photo.key))}${detail && ` (${detail})`}\n`,
      );
    },
    stop() {},
  };
}

function bar(total: number, stream: NodeJS.WriteStream): Progress {
  const start = performance.now();
  let done = 0;
  let faces = 0;
  const single = new SingleBar({
    stream,
    format: '{bar} {value}/{total} photos  {faces} faces unmasked  {rate} photos/s  {left}',
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 24,
    hideCursor: true,
    // The run owns Ctrl-C: it finishes the photos in hand.
    gracefulExit: false,
  });
  const payload = () => {
    const perSecond = done / ((performance.now() - start) / 1000);
    return { faces, rate: done > 0 ? perSecond.toFixed(1) : '-', left: timeLeft((total - done) / perSecond, done) };
  };
  single.start(total, 0, payload());
  return {
    settled({ record }) {
      done++;
      faces += facesUnmasked(record);
      single.update(done, payload());
    },
    stop: () => single.stop(),
  };
}

function timeLeft(seconds: number, done: number): string {
  if (done === 0) return '';
  if (seconds < 90) return `${Math.ceil(seconds)} s left`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min left` : `${(seconds / 3600).toFixed(1)} h left`;
}

const facesUnmasked = ({ faces }: Settled['record']): number => faces.filter(isUnmaskedFace).length;
