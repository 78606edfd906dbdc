import { SingleBar } from 'cli-progress';
import { pluralText } from '../report/numbers.ts';
import type { Result } from './results-file.ts';

export type EvaluationProgress = {
  /** So many answers to come, so many there already. */
  start(unmeasured: number, done: number): void;
  measured(result: Result): void;
  stop(): void;
};

/** A bar on a terminal, a line for each hundred answers elsewhere, both on standard error; nothing beside JSON. */
export function createEvaluationProgress(
  json: boolean,
  stderr: NodeJS.WriteStream = process.stderr,
): EvaluationProgress {
  if (json) return { start() {}, measured() {}, stop() {} };
  return stderr.isTTY ? bar(stderr) : lines(stderr);
}

function bar(stream: NodeJS.WriteStream): EvaluationProgress {
  const single = new SingleBar({
    stream,
    format: '{bar} {value}/{total} answers  case {name}, {row}  {eta_formatted} left',
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 24,
    etaBuffer: 100,
    hideCursor: true,
    // The evaluation owns Ctrl-C: it finishes the answers in hand.
    gracefulExit: false,
  });
  return {
    start: (unmeasured, done) => single.start(unmeasured + done, done, { name: '-', row: '-' }),
    measured: ({ case: name, row }) => single.increment(1, { name, row }),
    stop: () => single.stop(),
  };
}

const linesEvery = 100;

function lines(stream: NodeJS.WriteStream): EvaluationProgress {
  let total = 0;
  let count = 0;
  return {
    start(unmeasured, done) {
      total = unmeasured + done;
      count = done;
      stream.write(`${pluralText(unmeasured, 'answer')} to measure${done > 0 ? `, ${done} are there` : ''}.\n`);
    },
    measured({ case: name, row }) {
      count++;
      if (count % linesEvery === 0 || count === total) stream.write(`[${count}/${total}] case ${name}, ${row}\n`);
    },
    stop() {},
  };
}
