import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { newestByKey } from '#pipeline/manifest.ts';
import { statuses } from '#pipeline/status.ts';
import { ask } from '../../scripts/query/ask.ts';
import { faceColumns, photoColumns } from '../../scripts/query/columns.ts';
import { openTables } from '../../scripts/query/open-tables.ts';
import { recordOf } from '../pipeline/factories.ts';
import { answered, catalogued, face, newFolder, photo, rowsOf, unmaskedFace } from './asking.ts';

const unmasked = recordOf({
  jobId: 'f'.repeat(64),
  status: 'unmasked',
  reason: { code: 'reference-unusable', message: 'The reference has another size.' },
  photo: photo('a/ü "b".png', { versionId: 'v1', bytes: 5_000_000_000, width: 300, height: 280 }),
  unmasked: { key: 'unmasked/a/ü "b".png', bytes: 11, sha256: 'c'.repeat(64) },
  faces: [unmaskedFace(20, 1.1), face(), unmaskedFace(15, 0.9)],
  timings: { decodeMs: 2.5, totalMs: 12 },
  cost: { usd: 0.0000121 },
});

test('a photo is one row with everything that its record says', async () => {
  expect(await answered('SELECT * FROM photos', [unmasked])).toEqual([
    {
      path: 'a/ü "b".png',
      status: 'unmasked',
      reason_code: 'reference-unusable',
      reason: 'The reference has another size.',
      faces: 3,
      masked_faces: 2,
      unmasked_faces: 2,
      region_psnr: 15,
      region_ssim: 0.5,
      psnr: 23,
      ssim: 0.9,
      seam: 1.1,
      bytes: 5_000_000_000,
      width: 300,
      height: 280,
      format: 'png',
      total_ms: 12,
      timings: { decodeMs: 2.5, totalMs: 12 },
      cost_usd: 0.0000121,
      model: 'rescnn',
      model_version: '1.0.0',
      model_sha256: recordOf().model.sha256,
      created_at: '2026-11-01T10:20:30Z',
      key: 'photos/a/ü "b".png',
      version_id: 'v1',
      etag: 'e1',
      unmasked_key: 'unmasked/a/ü "b".png',
      unmasked_bytes: 11,
      unmasked_sha256: 'c'.repeat(64),
      job_id: 'f'.repeat(64),
    },
  ]);
});

test('what was not measured or does not exist is null', async () => {
  const [row] = await answered('SELECT * FROM photos', [
    recordOf({ status: 'rejected', timings: {}, photo: photo('x', { width: null, height: null, format: null }) }),
  ]);
  const empty = [
    'reason',
    'region_psnr',
    'seam',
    'width',
    'format',
    'total_ms',
    'cost_usd',
    'version_id',
    'unmasked_key',
  ];
  expect(empty.map((name) => row?.[name])).toEqual(empty.map(() => null));
  expect(row).toMatchObject({ faces: 0, unmasked_faces: 0, timings: {} });
});

test('each face of a photo is a row of faces, in order', async () => {
  const [first, second] = await answered('SELECT * FROM faces ORDER BY number', [unmasked, recordOf()]);
  expect(first).toEqual({
    path: 'a/ü "b".png',
    status: 'unmasked',
    number: 1,
    masked: true,
    unmasked: true,
    x: 1,
    y: 2,
    width: 30,
    height: 40,
    score: 0.9,
    mask_probability: 0.99,
    unsure: false,
    roll_degrees: -3,
    mask_coverage: 0.4,
    noise_sigma: 2,
    denoised: false,
    region_psnr: 20,
    region_ssim: 20 / 30,
    psnr: 28,
    ssim: 0.9,
    psnr_eq8: 40,
    seam: 1.1,
    created_at: '2026-11-01T10:20:30Z',
    key: 'photos/a/ü "b".png',
  });
  expect(second).toMatchObject({ number: 2, masked: false, unmasked: false, psnr: null });
});

test('a verdict that is a guess can be asked for', async () => {
  const rows = await answered('SELECT number FROM faces WHERE unsure', [
    recordOf({ status: 'bare', faces: [face(), face({ unsure: true, maskProbability: 0.4 })] }),
  ]);
  expect(rows).toEqual([{ number: 2 }]);
});

test('the columns are those that are documented, with these types', async () => {
  for (const [table, columns] of [
    ['photos', photoColumns],
    ['faces', faceColumns],
  ] as const) {
    const described = await answered(`DESCRIBE ${table}`, []);
    const types = columns.map(({ name, type }) => [name, type === 'TIMESTAMPTZ' ? 'TIMESTAMP WITH TIME ZONE' : type]);
    expect(described.map(({ column_name, column_type }) => [column_name, column_type])).toEqual(types);
  }
});

test('SHOW TABLES shows what may be asked and nothing else', async () => {
  expect(await answered('SHOW TABLES', [])).toEqual([{ name: 'faces' }, { name: 'photos' }, { name: 'versions' }]);
});

test('photos are the records that the manifest counts, whatever came in which order', async () => {
  const upload = fc.record({
    path: fc.constantFrom('a', 'b', 'c'),
    second: fc.integer({ min: 0, max: 3 }),
    status: fc.constantFrom(...statuses),
    faces: fc.integer({ min: 0, max: 2 }),
  });
  let index = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(upload, { maxLength: 6 }), { maxLength: 3 }), async (uploads) => {
      const lists = uploads.map((list) =>
        list.map(({ path, second, status, faces }) =>
          recordOf({
            jobId: String(++index),
            status,
            photo: photo(path),
            faces: Array.from({ length: faces }, () => face()),
            createdAt: `2026-11-01T00:00:0${second}.000Z`,
          }),
        ),
      );
      const newest = [...newestByKey(lists.flat()).values()];
      const rows = await answered('SELECT job_id, status FROM photos', ...lists);
      expect(new Set(rows)).toEqual(new Set(newest.map(({ jobId, status }) => ({ job_id: jobId, status }))));
      const [counted] = await answered('SELECT count(*) AS faces FROM faces', ...lists);
      expect(counted?.faces).toBe(newest.reduce((sum, { faces }) => sum + faces.length, 0));
    }),
    { numRuns: 15 },
  );
}, 240_000);

test('versions has the newest row of each version of a photo, and says which is the newest of all', async () => {
  const at = (hour: number, versionId: string, status: 'bare' | 'failed') =>
    recordOf({
      jobId: `${hour}`,
      status,
      photo: photo('a', { versionId }),
      createdAt: `2026-11-01T0${hour}:00:00.000Z`,
    });
  const rows = await answered(
    'SELECT version_id, status, newest FROM versions ORDER BY created_at',
    [at(1, 'v1', 'failed'), at(2, 'v1', 'bare')],
    [
      at(3, 'v2', 'failed'),
      at(4, 'v2', 'bare'),
      recordOf({ photo: photo('b'), createdAt: '2026-11-01T05:00:00.000Z' }),
    ],
  );
  expect(rows).toEqual([
    { version_id: 'v1', status: 'bare', newest: false },
    { version_id: 'v2', status: 'bare', newest: true },
    { version_id: null, status: 'bare', newest: true },
  ]);
});

test('a manifest without photos has tables without rows', async () => {
  expect(await answered('SELECT count(*) AS n FROM photos', [])).toEqual([{ n: 0 }]);
});

test('days are those of UTC', async () => {
  const late = recordOf({ createdAt: '2026-11-01T23:59:59.999Z' });
  expect(await answered("SELECT date_trunc('day', created_at)::DATE AS day FROM photos", [late])).toEqual([
    { day: '2026-11-01' },
  ]);
});

test('a results folder of any name can be asked', async () => {
  const odd = join(await newFolder(), "it's [1] * a?");
  await mkdir(odd);
  const file = join(odd, 'a.ndjson.gz');
  await writeFile(file, gzipSync(`${JSON.stringify(recordOf())}\n`));
  const tables = await openTables({
    segments: [{ key: 'a', sha256: 'a', records: 1 }],
    files: async () => [file],
    cache: odd,
  });
  expect(await rowsOf(await ask(tables.connection, 'SELECT status FROM photos'))).toEqual([{ status: 'bare' }]);
  tables.close();
});

test('a line that is no record is an error that says what to do', async () => {
  const folder = await newFolder();
  const file = join(folder, 'a.ndjson.gz');
  await writeFile(file, gzipSync('{"photo": 7}\n'));
  const opening = openTables({
    segments: [{ key: 'a', sha256: 'a', records: 1 }],
    files: async () => [file],
    cache: folder,
  });
  await expect(opening).rejects.toThrow(/Expected segments of metrics records, but .*manifest rebuild/);
});

describe('SQL reads the tables and nothing else', () => {
  const refused = [
    'DROP VIEW photos',
    'INSERT INTO manifest.records SELECT * FROM manifest.records',
    'DELETE FROM manifest.records',
    'CREATE TEMP TABLE t AS SELECT 1',
    'UPDATE manifest.records SET status = 1',
    "COPY photos TO '/tmp/photos.csv'",
    "ATTACH '/tmp/other.db'",
    'INSTALL httpfs',
    'LOAD httpfs',
    'SET enable_external_access = true',
    "EXPORT DATABASE '/tmp/x'",
    'CHECKPOINT',
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd.csv'",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM read_json('s3://bucket/key')",
    "SELECT * FROM read_csv('https://example.org/a.csv')",
    'SELECT 1; DROP VIEW photos',
  ];
  test.for(refused)('%s', async (sql) => {
    await expect(answered(sql, [recordOf()])).rejects.toMatchObject({ name: 'SqlError' });
  });

  test('neither when the tables are kept in a file', async () => {
    const kept = await openTables({ ...(await catalogued([recordOf()])), keptFrom: 0 });
    for (const sql of refused)
      await expect(ask(kept.connection, sql).then(rowsOf)).rejects.toMatchObject({ name: 'SqlError' });
    // The library itself would refuse too.
    await expect(kept.connection.run('DELETE FROM manifest.records')).rejects.toThrow(/read-only/);
    kept.close();
  });
});
