import { rm, stat, writeFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { errorCode } from './file-object.ts';

/**
 * Runs a task of a millisecond or so while no other process runs one under the same claim: a file that only one can create. A process
 * killed in that millisecond leaves its claim behind; who has waited `staleAfterMs` for one and the same claim takes it away.
 */
export async function withClaim<T>(claim: string, task: () => Promise<T>, staleAfterMs = 10_000): Promise<T> {
  await takeClaim(claim, staleAfterMs);
  try {
    return await task();
  } finally {
    await rm(claim, { force: true });
  }
}

/** On Windows a file that is just being removed cannot be created, and says so with EPERM. */
const taken = new Set(process.platform === 'win32' ? ['EEXIST', 'EPERM'] : ['EEXIST']);

const firstPauseMs = 1;
const longestPauseMs = 50;

async function takeClaim(claim: string, staleAfterMs: number): Promise<void> {
  let seen: Seen = { identity: undefined, since: performance.now() };
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
    try {
      return await writeFile(claim, '', { flag: 'wx' });
    } catch (cause) {
      if (!taken.has(errorCode(cause))) throw cause;
    }
    const identity = await identityOf(claim);
    if (identity !== seen.identity) seen = { identity, since: performance.now() };
    if (performance.now() - seen.since > staleAfterMs) await rm(claim, { force: true });
    else await pause(pauseMs);
  }
}

type Seen = { readonly identity: string | undefined; readonly since: number };

async function identityOf(claim: string): Promise<string | undefined> {
  return stat(claim, { bigint: true }).then(
    ({ ino, ctimeNs }) => `${ino} ${ctimeNs}`,
    () => undefined,
  );
}
