import { photoPath } from '#pipeline/photo.ts';
import { printable } from '../commands/printable.ts';
import { countText, pluralText } from '../report/numbers.ts';
import { type PhotoTraces, type Trace, traceKinds } from './photo-traces.ts';
import type { OpenStack } from './with-stack.ts';

const linesAsked = 20;

export function questionOf(photos: readonly PhotoTraces[], { name, region }: OpenStack): string {
  const more = photos.length - linesAsked;
  return [
    ...photos.slice(0, linesAsked).map(lineOf),
    ...(more > 0 ? [`and ${pluralText(more, 'more photo')}; --dry-run lists all`] : []),
    `Delete ${pluralText(photos.length, 'photo')} of stack ${name} in ${region} for good? Nobody can bring them back.`,
  ].join('\n');
}

export function sayFound(photos: readonly PhotoTraces[], json: boolean): void {
  for (const photo of photos)
    console.log(json ? JSON.stringify({ event: 'found', ...photo }) : `would delete  ${lineOf(photo)}`);
  if (json) return;
  console.log(
    `${pluralText(photos.length, 'photo')} would be deleted, with the lines of the manifest. Nothing was changed.`,
  );
}

type Figures = {
  readonly deleted: readonly Trace[];
  /** Of the manifest. */
  readonly lines: number;
  readonly photos: number;
  /** Of which something was there again at the end. */
  readonly left: readonly PhotoTraces[];
  /** Keys of which nothing was found, in no bucket and no line. */
  readonly unknown: readonly string[];
  readonly inWork: readonly PhotoTraces[];
};

export function sayDeleted({ deleted, lines, photos, left, unknown, inWork }: Figures, json: boolean): void {
  if (json) {
    const keysOf = (some: readonly PhotoTraces[]) => some.map(({ photoKey }) => photoKey);
    const objects = Object.fromEntries(traceKinds.map((kind) => [kind, countOf(kind, deleted)]));
    const summary = { photos, objects, lines, unknown, left: keysOf(left), inWork: keysOf(inWork) };
    console.log(JSON.stringify({ event: 'summary', ...summary }));
  } else if (photos > 0) {
    const removed = [...countsOf(deleted), ...(lines > 0 ? [`${pluralText(lines, 'line')} of the manifest`] : [])];
    console.log(`Deleted ${pluralText(photos, 'photo')} for good: ${removed.join(', ')}.`);
    console.log('Not reached: access logs, which name keys until they expire, and copies that people downloaded.');
  }
  if (unknown.length > 0)
    console.error(`Found nothing of ${listOf(unknown)}: deleted before, or another key. \`query\` shows the keys.`);
  if (inWork.length > 0)
    console.error(
      `No result was there yet of ${listOf(inWork.map(({ photoKey }) => photoKey))}. What a function has in hand may still come: run the same command again in some minutes.`,
    );
  if (left.length > 0)
    console.error(
      `Something came back meanwhile of ${listOf(left.map(({ photoKey }) => photoKey))}: run the same command again.`,
    );
}

export const shown = (photoKey: string): string => printable(photoPath(photoKey));

/** `anna.jpg: 2 versions of the photo, 1 record`. */
export const lineOf = ({ photoKey, traces }: Omit<PhotoTraces, 'inWork'>): string =>
  `${shown(photoKey)}: ${countsOf(traces).join(', ') || 'nothing'}`;

const countOf = (kind: Trace['kind'], traces: readonly Trace[]): number =>
  traces.filter((trace) => trace.kind === kind).length;

const countsOf = (traces: readonly Trace[]): readonly string[] =>
  traceKinds.flatMap((kind) => {
    const count = countOf(kind, traces);
    return count === 0 ? [] : [pluralText(count, kind)];
  });

const keysListed = 5;

const listOf = (keys: readonly string[]): string =>
  [
    ...keys.slice(0, keysListed).map(shown),
    ...(keys.length > keysListed ? [`${countText(keys.length - keysListed)} more`] : []),
  ].join(', ');
