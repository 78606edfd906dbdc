import { createHash } from 'node:crypto';
import { mkdir, readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { summariseObject } from '#local/file-object.ts';
import { pathOfKey } from '#local/key-path.ts';
import { replaceFile } from '#local/replace-file.ts';
import type { Segment } from '#pipeline/manifest.ts';
import type { Store } from '#pipeline/ports.ts';

export type SegmentFilesOptions = {
  readonly results: Store;
  /** The results folder, when they are in one: its files are read where they lie. */
  readonly folder?: string | undefined;
  /** Where segments of a bucket are kept. */
  readonly cache: string;
  /** Told after each segment that was fetched. */
  readonly onFetched?: ((fetched: number) => void) | undefined;
};

/** S3 answers many requests at once; a segment is some kilobytes, a folded one of a million photos about 150 MB. */
const fetchedAtOnce = 8;

/**
 * Files of this machine with the segments, in order, each with the sha256 that the manifest promises. Segments of a bucket are fetched
 * once, one GET each, and kept in the cache under their sha256; one that was altered there is fetched again.
 * @throws Error when a segment is missing or altered at its source.
 */
export async function segmentFiles(
  segments: readonly Segment[],
  { results, folder, cache, onFetched = () => {} }: SegmentFilesOptions,
): Promise<readonly string[]> {
  const kept = join(cache, 'segments');
  const files: string[] = [];
  let fetched = 0;
  const waiting = segments.entries();
  const worker = async () => {
    for (const [index, segment] of waiting) {
      const file = folder === undefined ? join(kept, `${segment.sha256}.ndjson.gz`) : fileIn(folder, segment);
      files[index] = file;
      const found = await holds(file, segment);
      if (folder !== undefined && !found) throw altered(segment);
      if (folder === undefined && found) await utimes(file, new Date(), new Date());
      if (found) continue;
      await mkdir(kept, { recursive: true, mode: 0o700 });
      await replaceFile(file, await fetchSegment(segment, results));
      onFetched(++fetched);
    }
  };
  await Promise.all(Array.from({ length: fetchedAtOnce }, worker));
  if (fetched > 0) await sweep(kept);
  return files;
}

/** A segment that nobody asked for in so long has been folded into another, or its bucket is of no interest any more. */
const keptMilliseconds = 30 * 24 * 60 * 60 * 1000;

async function sweep(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const file = join(folder, name);
    const usedAt = await stat(file).then(
      ({ mtimeMs }) => mtimeMs,
      () => Date.now(),
    );
    if (Date.now() - usedAt > keptMilliseconds) await rm(file, { force: true });
  }
}

const fileIn = (folder: string, { key }: Segment): string => join(folder, ...pathOfKey(key));

async function holds(file: string, { sha256 }: Segment): Promise<boolean> {
  return (await summariseObject(file))?.etag === sha256;
}

async function fetchSegment(segment: Segment, results: Store): Promise<Uint8Array> {
  const stored = await results.get(segment.key);
  if (!stored || createHash('sha256').update(stored.bytes).digest('hex') !== segment.sha256) throw altered(segment);
  return stored.bytes;
}

const altered = ({ key, sha256 }: Segment): Error =>
  new Error(
    `Expected a segment with sha256 ${sha256} at ${key}; \`manifest verify\` says what is wrong, \`manifest rebuild\` mends it.`,
  );
