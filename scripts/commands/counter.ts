export type Counter = { reached(count: number): void; stop(): void };

/** So often is a number readable that changes. */
const terminalMs = 100;
/** A log wants to know that something is still going on, not every step. */
const logMs = 10_000;

/**
 * How far long work has got, on standard error: on a terminal one line that counts and goes away, elsewhere a line every ten seconds, so
 * nothing at all for what is done sooner. `total` undefined: nobody knows.
 */
export function createCounter(
  what: string,
  total: number | undefined,
  stream: NodeJS.WriteStream = process.stderr,
): Counter {
  const waitMs = stream.isTTY ? terminalMs : logMs;
  let saidAt = performance.now();
  let shown = false;
  return {
    reached(count) {
      if (performance.now() - saidAt < waitMs) return;
      saidAt = performance.now();
      const far = total === undefined ? thousands(count) : `${thousands(count)} of ${thousands(total)}`;
      stream.write(stream.isTTY ? `\r${far} ${what}` : `${far} ${what}\n`);
      shown = true;
    },
    stop() {
      // Some terminals say that they have no columns.
      if (shown && stream.isTTY) stream.write(`\r${' '.repeat((stream.columns || 80) - 1)}\r`);
      shown = false;
    },
  };
}

const thousands = (count: number): string => count.toLocaleString('en');
