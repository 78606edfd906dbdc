import { spawn } from 'node:child_process';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createS3Store } from '#aws/s3-store.ts';
import { createFolderStore } from '#local/folder-store.ts';
import { catalogue } from '#pipeline/catalogue.ts';
import { parseManifest } from '#pipeline/manifest.ts';
import type { MetricsRecord } from '#pipeline/metrics-record.ts';
import { metricsKey } from '#pipeline/photo.ts';
import type { Store } from '#pipeline/ports.ts';
import { bootFauxqs, type Fauxqs } from '../contracts/fauxqs.ts';
import { createTestClock, recordOf } from '../pipeline/factories.ts';
import { face, photo, unmaskedFace } from '../query/asking.ts';
import { project, runCli, startCli, temporaryFolder } from './cli.ts';

const clock = createTestClock();

const records: readonly MetricsRecord[] = [
  recordOf({ jobId: 'a', status: 'unmasked', photo: photo('anna.jpg'), faces: [unmaskedFace(null, 1.2), face()] }),
  recordOf({ jobId: 'b', photo: photo('new\nline\u009b31m.jpg'), faces: [face()] }),
  recordOf({
    jobId: 'c',
    status: 'rejected',
    reason: { code: 'heic', message: 'HEIC is not supported.' },
    photo: photo('phone.heic'),
    createdAt: '2026-11-02T00:00:00.000Z',
  }),
];

async function fill(results: Store): Promise<void> {
  for (const record of records) {
    await results.put(metricsKey(record.photo.key), new TextEncoder().encode(JSON.stringify(record)));
  }
  await catalogue(records.slice(0, 2), { results, clock });
  await catalogue(records.slice(2), { results, clock });
}

async function newResults(): Promise<string> {
  const folder = await temporaryFolder();
  await fill(createFolderStore(folder));
  return folder;
}

describe('query', { timeout: 120_000 }, () => {
  let out: string;
  let cache: string;
  beforeAll(async () => {
    out = await newResults();
    cache = await temporaryFolder();
  }, 120_000);
  const query = (...args: readonly string[]) =>
    runCli(['query', '--results', out, ...args], { env: { XDG_CACHE_HOME: cache, FORCE_COLOR: '1', NO_COLOR: '' } });

  test('without SQL it counts photos by status, in a table without colours', async () => {
    const { code, stdout, stderr } = await query();
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.split('\n').slice(0, 3)).toEqual([
      '┌──────────┬────────┐',
      '│ status   │ photos │',
      '├──────────┼────────┤',
    ]);
    expect(stdout).toMatch(/│ bare {5}│ {6}1 │/);
    expect(stdout).not.toContain('\u001b');
  });

  test('SQL as lines of JSON, an array of JSON, CSV', async () => {
    const sql = 'SELECT path, faces, created_at FROM photos WHERE faces <> 1 ORDER BY path';
    expect(await query(sql, '--json')).toMatchObject({
      code: 0,
      stdout:
        '{"path":"anna.jpg","faces":2,"created_at":"2026-11-01T10:20:30Z"}\n{"path":"phone.heic","faces":0,"created_at":"2026-11-02T00:00:00Z"}\n',
    });
    expect(JSON.parse((await query(sql, '--format', 'json')).stdout)).toHaveLength(2);
    expect((await query(sql, '--csv')).stdout).toBe(
      'path,faces,created_at\nanna.jpg,2,2026-11-01T10:20:30Z\nphone.heic,0,2026-11-02T00:00:00Z\n',
    );
  });

  test('questions by flags, together, and the SQL that they stand for', async () => {
    const flags = ['--status', 'rejected', '--status', 'bare', '--since', '2026-11-02', '--json'];
    expect(
      (await query(...flags)).stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toMatchObject([{ path: 'phone.heic', reason: 'HEIC is not supported.' }]);
    const { stdout: sql } = await query(...flags, '--worst', '3', '--faces-min', '2', '--show-sql');
    expect(sql).toContain(
      "status IN ('rejected', 'bare')\n  AND created_at >= '2026-11-02T00:00:00.000Z'\n  AND faces >= 2",
    );
    expect((await query(sql, '--json')).code).toBe(0);
  });

  test('SQL may come through a pipe', async () => {
    const child = spawn(
      process.execPath,
      [join(project, 'scripts/unmask.ts'), 'query', '-', '--results', out, '--csv'],
      {
        env: { ...process.env, XDG_CACHE_HOME: cache },
      },
    );
    child.stdin.end('SELECT count(*) AS n\nFROM photos');
    let stdout = '';
    for await (const text of child.stdout.setEncoding('utf8')) stdout += text;
    expect(stdout).toBe('n\n3\n');
  });

  test('names with control characters are printed so that nothing happens', async () => {
    const { stdout } = await query('SELECT path FROM photos ORDER BY path');
    expect(stdout).toContain('"new\\nline\\u009b31m.jpg"');
    expect(stdout).not.toContain('\u009b');
  });

  test('a reader that goes away ends it quietly', async () => {
    const { child, result } = startCli([
      'query',
      'SELECT repeat(path, 100) FROM photos, range(300000)',
      '--results',
      out,
      '--csv',
    ]);
    child.stdout?.once('data', () => child.stdout?.destroy());
    expect(await result).toMatchObject({ code: 0, stderr: '' });
  });

  test('Ctrl-C stops it, and leaves nothing behind', async () => {
    const { child, result } = startCli(
      [
        'query',
        'SELECT path, sum(a.range * b.range) FROM photos, range(100000000) a, range(1000000) b GROUP BY 1',
        '--results',
        out,
      ],
      { env: { XDG_CACHE_HOME: cache } },
    );
    setTimeout(() => child.kill('SIGINT'), 3000);
    expect(await result).toMatchObject({ stdout: '', stderr: '' });
    expect(child.signalCode ?? child.exitCode).toBe('SIGINT');
    expect(await readdir(cache)).toEqual([]);
  });

  describe('what is wrong is one sentence with what to do', () => {
    const refused: readonly (readonly [args: readonly string[], says: RegExp])[] = [
      [['SELECT * FORM photos'], /syntax error at or near "photos"\..*describe photos/],
      [['SELECT stats FROM photos'], /"stats" not found.*"status"/],
      [['DELETE FROM photos'], /DELETE: the manifest is only read/],
      [["COPY photos TO 'photos.csv'"], /no files and no network/],
      [["SELECT * FROM read_text('/etc/hostname')"], /no files and no network/],
      [['SELECT 1', '--worst', '3'], /SQL or flags but received both/],
      [['out'], /Expected SQL in quotes but received "out".*--results/],
      [['--status', 'gone'], /Expected one of unmasked, .* but received gone/],
      [['--worst', '0'], /whole number of 1 or more/],
      [['--since', '2026-02-30'], /Expected a date/],
      [['--since', 'yesterday'], /Expected a date/],
      [['--csv', '--json'], /cannot be used with/],
      [['--format', 'xml'], /Allowed choices are table, csv, json, ndjson/],
      [['--stauts', 'bare'], /unknown option '--stauts'/],
    ];
    test.for(refused)('%s', async ([args, says]) => {
      const { code, stdout, stderr } = await query(...args);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(says);
      expect(
        stderr
          .trim()
          .split('\n')
          .filter((line) => !line.startsWith('(')),
      ).toHaveLength(1);
    });

    test('no results, and no manifest among them', async () => {
      const empty = await temporaryFolder();
      expect(await runCli(['query', '--results', join(empty, 'nowhere')])).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/Expected a folder of results/),
      });
      expect(await runCli(['query', '--results', empty])).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/there is none: `run` makes it, `manifest rebuild` makes it anew/),
      });
    });

    test('an altered segment, a damaged manifest', async () => {
      const damaged = await newResults();
      const { segments } = parseManifest(await readFile(join(damaged, 'manifest/manifest.json')));
      await writeFile(join(damaged, segments[0]?.key ?? ''), 'rot');
      expect(await runCli(['query', '--results', damaged])).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/^error: Expected a segment with sha256 .*`manifest rebuild` mends it\.\n$/),
      });
      await writeFile(join(damaged, 'manifest/manifest.json'), '{}');
      expect(await runCli(['query', '--results', damaged])).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/to be a manifest of schemaVersion 1; `manifest rebuild`/),
      });
    });
  });
});

describe('manifest', { timeout: 120_000 }, () => {
  test('verify says that all is well, or what is not and what mends it; rebuild mends it', async () => {
    const out = await newResults();
    expect(await runCli(['manifest', 'verify', out])).toMatchObject({
      code: 0,
      stdout: 'The manifest is whole: 3 photos, 3 records in 2 segments.\n',
    });
    await rm(join(out, 'metrics', 'anna.jpg.json'));
    const verified = await runCli(['manifest', 'verify', out]);
    expect(verified).toMatchObject({ code: 1 });
    expect(verified.stdout).toMatch(
      /^row-without-record {3}metrics\/anna\.jpg\.json: .*\n1 finding\. `manifest rebuild .*`/,
    );
    expect(await runCli(['manifest', 'rebuild', out])).toMatchObject({
      code: 0,
      stdout: 'Manifest of 2 photos: 1 bare, 1 rejected.\n',
    });
    expect(await runCli(['manifest', 'verify', out, '--json'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('{"event":"verified","findings":0,'),
    });
  });

  test('a finding about a name with control characters stays one line', async () => {
    const out = await newResults();
    await writeFile(join(out, 'metrics', 'new\nline\u009b31m.jpg.json'), 'rot');
    const { stdout } = await runCli(['manifest', 'verify', out]);
    expect(stdout).toContain('unreadable-record    "metrics/new\\nline\\u009b31m.jpg.json": This is no metrics record');
    const json = await runCli(['manifest', 'verify', out, '--json']);
    expect(json.code).toBe(1);
    expect(
      json.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).fault ?? 'verified'),
    ).toEqual(['unreadable-record', 'verified']);
  });

  test('the JSON Schema of manifest.json is printed', async () => {
    const { stdout } = await runCli(['schema', '--manifest']);
    expect(JSON.parse(stdout)).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      required: ['schemaVersion', 'counts', 'updatedAt', 'segments', 'aggregates'],
    });
  });
});

describe('of a bucket', { timeout: 120_000 }, () => {
  let server: Fauxqs;
  let results: Store;
  let cache: string;
  let env: Record<string, string>;
  beforeAll(async () => {
    server = await bootFauxqs();
    server.createBucket('results-bucket');
    results = createS3Store({ client: server.s3, bucket: 'results-bucket' });
    await fill(results);
    cache = await temporaryFolder();
    env = {
      XDG_CACHE_HOME: cache,
      AWS_ENDPOINT_URL_S3: server.endpoint,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
    };
  }, 120_000);
  afterAll(() => server.close());

  test('without credentials it says what to do', async () => {
    const anonymous = {
      ...env,
      AWS_ACCESS_KEY_ID: '',
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    };
    const asked = runCli(['query', '--results', 's3://results-bucket'], {
      env: { ...anonymous, AWS_EC2_METADATA_DISABLED: 'true' },
    });
    expect(await asked).toEqual({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^error: Found no AWS credentials that work: .*`aws configure`.*\n$/),
    });
  });

  test('query fetches segments into the cache, verified; manifest verify and rebuild work there too', async () => {
    const ask = () => runCli(['query', '--results', 's3://results-bucket', '--status', 'bare', '--csv'], { env });
    const first = await ask();
    expect({ ...first, stdout: first.stdout.split('\n')[0] }).toEqual({
      code: 0,
      stdout: 'path,status,faces,unmasked_faces,created_at,reason',
      stderr: '',
    });
    const { segments } = parseManifest((await results.get('manifest/manifest.json'))?.bytes ?? new Uint8Array());
    expect(await readdir(join(cache, 'unmask', 'segments'))).toEqual(
      segments.map(({ sha256 }) => `${sha256}.ndjson.gz`).sort(),
    );
    await results.delete(segments[0]?.key ?? '');
    expect(await ask()).toEqual(first);
    expect(await runCli(['manifest', 'verify', 's3://results-bucket'], { env })).toMatchObject({
      code: 1,
      stdout: expect.stringContaining(`missing-segment      ${segments[0]?.key}`),
    });
    expect(await runCli(['manifest', 'rebuild', 's3://results-bucket'], { env })).toMatchObject({ code: 0 });
    expect(await runCli(['manifest', 'verify', 's3://results-bucket'], { env })).toMatchObject({
      code: 0,
      stdout: 'The manifest is whole: 3 photos, 3 records in 1 segment.\n',
    });
    expect(await ask()).toEqual(first);
  });
});
