/** What the CLI answers to the shell: stable, documented in the README. */
export const exitCodes = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** The person asked for something that cannot be meant: exit code 2, before any work. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
