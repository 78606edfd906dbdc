import { readdir, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ask } from '../../scripts/query/ask.ts';
import { openTables, type TablesOptions } from '../../scripts/query/open-tables.ts';
import { recordOf } from '../pipeline/factories.ts';
import { catalogued, newFolder, photo, rowsOf } from './asking.ts';

const unread = async (): Promise<never> => {
  throw new Error('The segments must not be read.');
};

async function count(options: TablesOptions): Promise<unknown> {
  const tables = await openTables(options);
  try {
    return (await rowsOf(await ask(tables.connection, 'SELECT count(*) AS n FROM photos')))[0]?.n;
  } finally {
    tables.close();
  }
}

const keptIn = (cache: string): Promise<string[]> => readdir(join(cache, 'tables'));

test('many records are read once for each state of the manifest', async () => {
  const first = { ...(await catalogued([recordOf()])), keptFrom: 0 };
  const told: number[] = [];
  expect(await count({ ...first, onReading: (records) => told.push(records) })).toBe(1);
  expect(await count({ ...first, files: unread, onReading: (records) => told.push(records) })).toBe(1);
  expect(told).toEqual([1]);

  const { cache } = first;
  const second = {
    ...(await catalogued([recordOf(), recordOf({ jobId: 'b', photo: photo('b') })])),
    cache,
    keptFrom: 0,
  };
  expect(await count(second)).toBe(2);
  expect(await count({ ...first, files: unread })).toBe(1);
});

test('few records are read each time, and nothing of them is kept', async () => {
  const options = await catalogued([recordOf()]);
  expect(await count(options)).toBe(1);
  expect(await readdir(options.cache)).toEqual([]);
  await expect(count({ ...options, files: unread })).rejects.toThrow('must not be read');
});

test('kept tables that are damaged are made again', async () => {
  const options = { ...(await catalogued([recordOf()])), keptFrom: 0 };
  await count(options);
  const [name = ''] = await keptIn(options.cache);
  await truncate(join(options.cache, 'tables', name), 5000);
  expect(await count(options)).toBe(1);
  await writeFile(join(options.cache, 'tables', name), 'rot');
  expect(await count(options)).toBe(1);
});

test('a reading that fails leaves nothing behind', async () => {
  const options = { ...(await catalogued([recordOf()])), keptFrom: 0 };
  const rot = join(await newFolder(), 'rot.ndjson.gz');
  await writeFile(rot, 'rot');
  await expect(count({ ...options, files: async () => [rot] })).rejects.toThrow('manifest rebuild');
  expect(await keptIn(options.cache)).toEqual([]);
});

test('what a killed process left is cleared away, that of a running one is not', async () => {
  const options = { ...(await catalogued([recordOf()])), keptFrom: 0 };
  await count(options);
  const [kept = ''] = await keptIn(options.cache);
  const killed = `x.${2 ** 30}.unfinished`;
  const running = `y.${process.pid}.unfinished`;
  for (const name of [killed, `${killed}.wal`, running]) await writeFile(join(options.cache, 'tables', name), '');
  const other = await catalogued([recordOf({ jobId: 'other' })]);
  await count({ ...other, cache: options.cache, keptFrom: 0 });
  const names = await keptIn(options.cache);
  expect(names).toHaveLength(3);
  expect(names).toEqual(expect.arrayContaining([kept, running]));
});

test('tables of the last four states stay, the least used go', async () => {
  const cache = await newFolder();
  const states = [];
  for (let state = 0; state < 4; state++) {
    const options = { ...(await catalogued([recordOf({ jobId: `${state}` })])), cache, keptFrom: 0 };
    await count(options);
    states.push(options);
  }
  const [first, ...others] = states;
  for (const name of await keptIn(cache)) await utimes(join(cache, 'tables', name), new Date(1e12), new Date(1e12));
  if (first) await count({ ...first, files: unread });
  await count({ ...(await catalogued([recordOf({ jobId: 'new' })])), cache, keptFrom: 0 });
  expect(await keptIn(cache)).toHaveLength(4);
  if (first) expect(await count({ ...first, files: unread })).toBe(1);
  const gone = await Promise.all(others.map((options) => count({ ...options, files: unread }).catch(() => 'gone')));
  expect(gone.filter((outcome) => outcome === 'gone')).toHaveLength(1);
});
