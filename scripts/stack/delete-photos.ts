import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '#local/system-clock.ts';
import { maxKeyBytes } from '#pipeline/photo.ts';
import { removeFromManifest } from '#pipeline/remove-from-manifest.ts';
import { createCounter } from '../commands/counter.ts';
import { exitCodes, UsageError } from '../commands/exit-codes.ts';
import { listenForInterrupt } from '../commands/interrupt.ts';
import type { StackOptions } from '../commands/options.ts';
import { cacheFolder } from '../query/cache-folder.ts';
import { canAsk, confirm } from './confirm.ts';
import { deleteTraces } from './delete-traces.ts';
import { lineOf, questionOf, sayDeleted, sayFound, shown } from './deleted-text.ts';
import { eachAtOnce } from './each-at-once.ts';
import { type PhotoTraces, photoKeysUnder, type Trace, tracesOf } from './photo-traces.ts';
import { type OpenStack, withStack } from './with-stack.ts';

export type DeleteOptions = StackOptions & {
  readonly prefix?: string;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
};

/**
 * `unmask delete`: everything that a stack keeps of somebody's photos. A photo goes first, so that nobody works on it again, its record
 * last, so that the same command finds the rest of what was stopped; then the lines of the manifest; then all is looked at once more.
 */
export async function deletePhotos(given: readonly string[], options: DeleteOptions): Promise<void> {
  const { prefix, yes = false, dryRun = false, json = false } = options;
  if (given.length > 0 === (prefix !== undefined))
    throw new UsageError('Expected either keys or --prefix: `delete anna.jpg`, or `delete --prefix people/anna/`.');
  const asked = new Set((prefix === undefined ? given : [prefix]).map(photoKeyOf));
  if (!yes && !dryRun && !canAsk())
    throw new UsageError('Expected --yes, because nobody can be asked here; --dry-run shows what would be deleted.');

  await withStack(options, async (stack) => {
    const [start = ''] = asked;
    const keys = prefix === undefined ? [...asked] : await photoKeysUnder(start, stack);
    const found = await lookUp(keys, stack);
    if (prefix === undefined) found.forEach(refusePattern);
    const kept = found.filter(({ traces }) => traces.length > 0);

    if (dryRun) return sayFound(kept, json);
    if (kept.length > 0 && !yes && !(await confirm(questionOf(kept, stack)))) {
      console.error('Nothing was deleted.');
      process.exitCode = exitCodes.failed;
      return;
    }

    const deleted: Trace[] = [];
    const interrupt = listenForInterrupt();
    await deleteTraces(kept, stack, {
      signal: interrupt,
      onObject(trace) {
        deleted.push(trace);
        if (json) console.log(JSON.stringify({ event: 'deleted', ...trace }));
      },
      onPhoto: (photo) => json || console.log(`deleted  ${lineOf(photo)}`),
    });
    if (interrupt.aborted) {
      console.error('Stopped. The same command again deletes the rest, and the lines of the manifest.');
      process.exitCode = exitCodes.interrupted;
      return;
    }
    const isAsked = (key: string) => (prefix === undefined ? asked.has(key) : key.startsWith(start));
    const { lines } = await removeFromManifest(isAsked, { results: stack.results, clock: systemClock });
    await emptyQueryCache();
    const left = (await lookUp(keys, stack)).filter(({ traces }) => traces.length > 0);
    const had = [...new Set([...kept.map(({ photoKey }) => photoKey), ...lines])];
    const unknown = [...asked].filter(
      (key) => !had.some((one) => (prefix === undefined ? one === key : one.startsWith(key))),
    );
    if (left.length > 0 || unknown.length > 0) process.exitCode = exitCodes.failed;
    const inWork = kept.filter((photo) => photo.inWork);
    sayDeleted({ deleted, lines: lines.length, photos: had.length, left, unknown, inWork }, json);
  });
}

/** Keys as `query` shows them, `anna.jpg`, or as they are in the bucket, `photos/anna.jpg`. */
function photoKeyOf(text: string): string {
  const key = text.startsWith('photos/') ? text : `photos/${text}`;
  if (key === 'photos/')
    throw new UsageError(
      'Expected a key or a prefix that is not empty; docs/operate.md says how to tear everything down.',
    );
  if (Buffer.byteLength(key) > maxKeyBytes)
    throw new UsageError(
      `Expected a key of at most ${maxKeyBytes} bytes but received one of ${Buffer.byteLength(key)}.`,
    );
  return key;
}

/** A photo may well be called `what?.jpg`. Only where nothing is called so, a pattern was meant. */
function refusePattern({ photoKey, traces }: PhotoTraces): void {
  if (traces.length > 0 || !/[*?]|\/$/.test(photoKey)) return;
  throw new UsageError(
    `Found no photo ${shown(photoKey)}. Keys are taken as they are written; --prefix deletes all that begin alike. Nothing was deleted.`,
  );
}

async function lookUp(keys: Iterable<string>, stack: OpenStack): Promise<readonly PhotoTraces[]> {
  const found: PhotoTraces[] = [];
  const all = [...keys];
  const counter = createCounter('photos looked up', all.length);
  await eachAtOnce(all.entries(), { atOnce: 8 }, async ([index, key]) => {
    found[index] = await tracesOf(key, stack);
    counter.reached(index + 1);
  }).finally(counter.stop);
  return found;
}

/** `query` keeps segments on this machine; they have the names of photos. */
async function emptyQueryCache(): Promise<void> {
  for (const part of ['segments', 'tables']) await rm(join(cacheFolder(), part), { recursive: true, force: true });
}
