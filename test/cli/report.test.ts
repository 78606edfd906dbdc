import { cp, mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createS3Store } from '#aws/s3-store.ts';
import { createFolderStore } from '#local/folder-store.ts';
import { bootFauxqs, type Fauxqs } from '../contracts/fauxqs.ts';
import { examples, runCli, temporaryFolder } from './cli.ts';

type Row = {
  readonly name: string;
  readonly unmaskedUrl?: string;
  readonly faces: readonly { readonly before?: string; readonly after?: string }[];
};

const rowsOf = (page: string): readonly Row[] =>
  JSON.parse(page.match(/<script type="application\/json" id="report-data">([^<]*)<\/script>/)?.[1] ?? 'null');

describe('report', () => {
  let folder: string;
  let out: string;
  beforeAll(async () => {
    folder = await temporaryFolder();
    out = join(folder, 'out');
    await mkdir(join(folder, 'photos'));
    for (const name of ['frontal.jpg', 'no-face.jpg']) await cp(join(examples, name), join(folder, 'photos', name));
    expect(await runCli(['run', join(folder, 'photos'), '--out', out])).toMatchObject({ code: 0 });
  }, 120_000);

  test('is written again beside the results, with pictures of before and after, and links', async () => {
    const page = join(out, 'report.html');
    await rm(page);
    const { code, stdout } = await runCli(['report', out, '--photos', join(folder, 'photos')]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: `Report:  ${page}\n` });
    const rows = rowsOf(await readFile(page, 'utf8'));
    expect(rows.map(({ name }) => name)).toEqual(['frontal.jpg', 'no-face.jpg']);
    expect(rows[0]).toMatchObject({
      unmaskedUrl: 'unmasked/frontal.jpg',
      faces: [{ before: expect.any(String), after: expect.any(String) }],
    });
  }, 60_000);

  test('elsewhere it has the pictures but no links that would lead nowhere', async () => {
    const file = join(folder, 'elsewhere.html');
    const { code, stdout } = await runCli(['report', out, '--out', file, '--json']);
    expect({ code, event: JSON.parse(stdout) }).toEqual({ code: 0, event: { event: 'report', report: file } });
    const [row] = rowsOf(await readFile(file, 'utf8'));
    expect(row?.unmaskedUrl).toBeUndefined();
    expect(row?.faces[0]?.after).toEqual(expect.any(String));
  }, 60_000);

  test('without results it is refused, saying what makes them', async () => {
    const empty = await temporaryFolder();
    expect(await runCli(['report', empty])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/manifest rebuild/),
    });
    expect(await runCli(['report', join(empty, 'nowhere')])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/Expected a folder of results/),
    });
  }, 60_000);

  describe('of a bucket', () => {
    let server: Fauxqs;
    beforeAll(async () => {
      server = await bootFauxqs();
      for (const bucket of ['photos-bucket', 'results-bucket']) server.createBucket(bucket);
      const results = createS3Store({ client: server.s3, bucket: 'results-bucket' });
      const photos = createS3Store({ client: server.s3, bucket: 'photos-bucket' });
      const local = createFolderStore(out);
      for await (const { key } of local.list('')) {
        const object = await local.get(key);
        if (object && key !== 'report.html') await results.put(key, object.bytes);
      }
      await photos.put('photos/frontal.jpg', await readFile(join(examples, 'frontal.jpg')));
    }, 60_000);
    afterAll(() => server.close());

    test('reads records and pictures from S3 and writes a file here', async () => {
      const here = await temporaryFolder();
      const { code, stdout } = await runCli(['report', 's3://results-bucket', '--photos', 's3://photos-bucket'], {
        cwd: here,
        env: {
          AWS_ENDPOINT_URL_S3: server.endpoint,
          AWS_REGION: 'us-east-1',
          AWS_ACCESS_KEY_ID: 'test',
          AWS_SECRET_ACCESS_KEY: 'test',
        },
      });
      const file = join(here, 'report.html');
      expect({ code, stdout }).toEqual({ code: 0, stdout: `Report:  ${file}\n` });
      const [row] = rowsOf(await readFile(file, 'utf8'));
      expect(row?.faces[0]?.after).toEqual(expect.any(String));
    }, 60_000);
  });
});
