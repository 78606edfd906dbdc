import { readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { catalogue } from '#pipeline/catalogue.ts';
import type { Store } from '#pipeline/ports.ts';
import { segmentFiles } from '../../scripts/query/segment-files.ts';
import { bytesOf, createMemoryStore, createTestClock, recordOf } from '../pipeline/factories.ts';
import { catalogued, newFolder } from './asking.ts';

async function bucket() {
  const memory = createMemoryStore();
  let segments = (await catalogue([recordOf()], { results: memory, clock: createTestClock() })).segments;
  segments = (await catalogue([recordOf({ jobId: 'b' })], { results: memory, clock: createTestClock() })).segments;
  const asked: string[] = [];
  const results: Store = {
    ...memory,
    async get(key) {
      asked.push(key);
      return memory.get(key);
    },
  };
  return { results, segments, asked, cache: await newFolder() };
}

test('segments of a folder are read where they lie, in the order of the manifest', async () => {
  const { folder, segments, files, cache } = await catalogued([recordOf()], [recordOf({ jobId: 'b' })]);
  expect(await files()).toEqual(segments.map(({ key }) => join(folder, key)));
  expect(await readdir(cache)).toEqual([]);
});

test('an altered or missing segment of a folder is an error that says what to do', async () => {
  const { folder, segments, files } = await catalogued([recordOf()]);
  const file = join(folder, segments[0]?.key ?? '');
  const bytes = await readFile(file);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  await writeFile(file, bytes);
  await expect(files()).rejects.toThrow(/Expected a segment with sha256 .* `manifest rebuild` mends it/);
});

test('segments of a bucket are fetched once', async () => {
  const { results, segments, asked, cache } = await bucket();
  const fetched: number[] = [];
  const files = await segmentFiles(segments, { results, cache, onFetched: (count) => fetched.push(count) });
  expect(fetched).toEqual([1, 2]);
  expect(await segmentFiles(segments, { results, cache, onFetched: (count) => fetched.push(count) })).toEqual(files);
  expect([...asked].sort()).toEqual(segments.map(({ key }) => key).sort());
  expect(fetched).toEqual([1, 2]);
});

test('one that was altered in the cache is fetched again', async () => {
  const { results, segments, cache } = await bucket();
  const [file = ''] = await segmentFiles(segments, { results, cache });
  const whole = await readFile(file);
  await writeFile(file, 'rot');
  await segmentFiles(segments, { results, cache });
  expect((await readFile(file)).equals(whole)).toBe(true);
});

test('one that is altered in the bucket is an error, and is not kept', async () => {
  const { results, segments, cache } = await bucket();
  await results.put(segments[1]?.key ?? '', bytesOf('rot'));
  await expect(segmentFiles(segments, { results, cache })).rejects.toThrow(segments[1]?.key);
  await results.delete(segments[1]?.key ?? '');
  await expect(segmentFiles(segments, { results, cache })).rejects.toThrow('manifest rebuild');
  expect(await readdir(join(cache, 'segments'))).not.toContain(`${segments[1]?.sha256}.ndjson.gz`);
});

test('segments that nobody asked for in a month leave the cache', async () => {
  const { results, segments, cache } = await bucket();
  const [file = ''] = await segmentFiles(segments.slice(0, 1), { results, cache });
  const longAgo = new Date(Date.now() - 31 * 24 * 3600 * 1000);
  await utimes(file, longAgo, longAgo);
  await segmentFiles(segments.slice(1), { results, cache });
  expect(await readdir(join(cache, 'segments'))).toEqual([`${segments[1]?.sha256}.ndjson.gz`]);
});
