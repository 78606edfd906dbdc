import { cp, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createS3Store } from '#aws/s3-store.ts';
import { createFolderStore } from '#local/folder-store.ts';
import { bootFauxqs, type Fauxqs } from '../contracts/fauxqs.ts';
import { examples, project, runCli, temporaryFolder } from './cli.ts';

describe('compare', () => {
  let folder: string;
  let photos: string;

  beforeAll(async () => {
    folder = await temporaryFolder();
    photos = join(folder, 'photos');
    await mkdir(photos);
    for (const name of ['frontal.jpg', 'no-face.jpg']) await cp(join(examples, name), join(photos, name));
    const references = join(project, 'examples', 'references');
    for (const model of ['rescnn', 'rescnn-fidelity']) {
      const run = ['run', photos, '--references', references, '--model', model, '--out', join(folder, model)];
      expect(await runCli(run)).toMatchObject({ code: 0 });
    }
  }, 240_000);

  test('two models: figures in the terminal, pictures of before and after in one page', async () => {
    const { code, stdout } = await runCli(['compare', 'rescnn', 'rescnn-fidelity', '--photos', photos], {
      cwd: folder,
    });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^A: rescnn \(rescnn \d+\.\d+\.\d+\)\nB: rescnn-fidelity \(rescnn-fidelity /);
    expect(stdout).toMatch(/photos in both +│ +2 │/);
    expect(stdout).toMatch(/PSNR under the mask .* 1 face /);
    expect(stdout).toContain(`Page: ${join(folder, 'compare.html')}`);
    const page = await readFile(join(folder, 'compare.html'), 'utf8');
    expect(page.match(/<img /g)).toHaveLength(3);
  }, 120_000);

  test('--json is one line of figures, and --out says where the page goes', async () => {
    const page = join(folder, 'same.html');
    const run = ['compare', join(folder, 'rescnn'), join(folder, 'rescnn'), '--out', page, '--json'];
    const { code, stdout } = await runCli(run);
    expect(code).toBe(0);
    const event = JSON.parse(stdout);
    expect(event).toMatchObject({ event: 'comparison', inBoth: 2, onlyA: [], onlyB: [], identical: 1, page });
    expect(event.qualities[0]).toMatchObject({ measure: 'regionPsnr', n: 1, mean: 0, better: 0, worse: 0 });
    expect(await readFile(page, 'utf8')).toContain('Nothing differs');
  }, 120_000);

  test('without results it is refused, saying what makes them', async () => {
    const empty = await temporaryFolder();
    expect(await runCli(['compare', empty, folder])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/manifest/),
    });
    expect(await runCli(['compare', join(folder, 'rescnn')])).toMatchObject({ code: 2 });
  }, 120_000);

  describe('with a bucket', () => {
    let cloud: Fauxqs;
    beforeAll(async () => {
      cloud = await bootFauxqs();
      cloud.createBucket('compared');
      const bucket = createS3Store({ client: cloud.s3, bucket: 'compared' });
      const results = createFolderStore(join(folder, 'rescnn'));
      for await (const { key } of results.list('')) {
        const stored = await results.get(key);
        if (stored && key !== 'report.html') await bucket.put(key, stored.bytes);
      }
    }, 120_000);
    afterAll(() => cloud?.close());

    test('a folder and s3:// compare as two folders do', async () => {
      const env = {
        AWS_ENDPOINT_URL_S3: cloud.endpoint,
        AWS_REGION: 'us-east-1',
        AWS_ACCESS_KEY_ID: 'test',
        AWS_SECRET_ACCESS_KEY: 'test',
      };
      const run = ['compare', 's3://compared', join(folder, 'rescnn-fidelity'), '--json'];
      const { code, stdout, stderr } = await runCli(run, { cwd: folder, env });
      expect({ code, stderr }).toMatchObject({ code: 0 });
      expect(JSON.parse(stdout)).toMatchObject({ inBoth: 2, onlyA: [], onlyB: [], identical: 0 });
    }, 120_000);
  });
});
