import { execFile } from 'node:child_process';
import { appendFile, mkdir, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { parseCsv } from '../../scripts/evaluation/csv.ts';

// The shipped networks on two example photos, laid out as render_cases.py does it.

vi.setConfig({ testTimeout: 300_000, hookTimeout: 120_000 });

const project = fileURLToPath(new URL('../..', import.meta.url));
const photos = join(project, 'examples', 'photos');
const references = join(project, 'examples', 'references');

/** frontal.jpg to the aligned crop: its eyes lie at (202.7, 100.4) and (247.7, 103.7). */
const toCrop = (() => {
  const [x, y] = [247.7 - 202.7, 103.7 - 100.4];
  const [a, b] = [(60 * x) / (x * x + y * y), (-60 * y) / (x * x + y * y)];
  return { a, b, tx: 98 - (a * 202.7 - b * 100.4), ty: 118 - (b * 202.7 + a * 100.4) };
})();

let folder: string;
let results: string;

const evaluate = (...args: string[]) =>
  new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    const script = join(project, 'scripts', 'evaluate.ts');
    const asked = [
      script,
      '--photos',
      join(folder, 'photos'),
      '--out',
      join(folder, 'out'),
      '--models',
      'rescnn',
      ...args,
    ];
    execFile(process.execPath, asked, { env: { ...process.env, NO_COLOR: '1' } }, (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr }),
    );
  });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'unmask-evaluate-'));
  results = join(folder, 'out', 'results.csv');
  await mkdir(join(folder, 'photos'));
  await writeIndex('first');
  await sharp(join(photos, 'frontal.jpg'))
    .png()
    .toFile(join(folder, 'photos', 'masked.png'));
  await sharp(join(references, 'frontal.jpg'))
    .png()
    .toFile(join(folder, 'photos', 'truth.png'));
  const [masked, truth] = await Promise.all(
    ['masked.png', 'truth.png'].map((name) =>
      sharp(join(folder, 'photos', name))
        .raw()
        .toBuffer(),
    ),
  );
  // JPEG changes every pixel a little; the mask changes its own by more than that.
  const changed = Uint8Array.from({ length: 512 * 512 }, (_, pixel) => {
    const apart = (at: number) => Math.abs((masked?.[at] ?? 0) - (truth?.[at] ?? 0));
    return apart(3 * pixel) + apart(3 * pixel + 1) + apart(3 * pixel + 2) > 60 ? 255 : 0;
  });
  await sharp(changed, { raw: { width: 512, height: 512, channels: 1 } })
    .png()
    .toFile(join(folder, 'photos', 'region.png'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** The same photo with its mask, and once more without one: there the pipeline finds nothing. */
async function writeIndex(digest: string, age = 'adult'): Promise<void> {
  const { a, b, tx, ty } = toCrop;
  const facts = `drawn,0,surgical,full,20,0.5,0,0.02,${age},1,0`;
  await writeFile(
    join(folder, 'photos', 'index.csv'),
    `case,file,photo,truth,region,a,b,tx,ty,digest,source,soft,family,wear,ita,nose,grey,mouth,age,glasses,beard
I,masked.png,masked.png,truth.png,region.png,${a},${b},${tx},${ty},${digest},${facts}
I,bare.png,truth.png,truth.png,region.png,${a},${b},${tx},${ty},other,${facts}
`,
  );
}

const lines = async () => parseCsv(await readFile(results, 'utf8'));
const lineOf = async (row: string, file: string) =>
  (await lines()).find((line) => line.row === row && line.file === file);

test('a whole evaluation: answers, tables, figures, plots and a contact sheet', async () => {
  const { code, stderr, stdout } = await evaluate('--sheet', '1');
  expect(stderr).toContain('6 answers to measure.');
  expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining('tables.md') });

  const left = Number((await lineOf('masked', 'masked.png'))?.regionPsnr);
  const network = await lineOf('rescnn', 'masked.png');
  const whole = await lineOf('rescnn+pipeline', 'masked.png');
  expect(Number(network?.regionPsnr)).toBeGreaterThan(left + 4);
  expect(Number(whole?.regionPsnr)).toBeGreaterThan(left + 4);
  expect(Number(network?.iou)).toBeGreaterThan(0.7);
  expect(await lineOf('rescnn+pipeline', 'bare.png')).toMatchObject({ found: '0', regionPsnr: '' });

  const tables = await readFile(join(folder, 'out', 'tables.md'), 'utf8');
  expect(tables).toContain('| Case I: mask on a plain face | the paper | 10 | 33.12 | .951 |');
  expect(tables).toMatch(/\| rescnn, whole pipeline \|.*\| 50\.0 % \| 1 \|/);
  expect(tables).toMatch(
    /\| I, rescnn in the whole pipeline, gradient energy, median \| \.75 to 1\.15 .* \| \d?\.\d\d \|/,
  );
  const summary = JSON.parse(await readFile(join(folder, 'out', 'summary.json'), 'utf8'));
  expect(summary.rows.map(({ row, n, photos }: Record<string, unknown>) => [row, n, photos])).toEqual([
    ['masked', 2, 2],
    ['rescnn', 2, 2],
    ['rescnn+pipeline', 1, 2],
  ]);
  for (const plot of ['region-psnr', 'psnr-against-area', 'cases']) {
    const svg = await readFile(join(folder, 'out', 'plots', `${plot}.svg`), 'utf8');
    expect(svg).not.toContain('NaN');
    expect((await sharp(Buffer.from(svg)).metadata()).width).toBe(900);
  }
  expect(await sharp(join(folder, 'out', 'sheets', 'case-I.png')).metadata()).toMatchObject({
    format: 'png',
    width: 1160,
  });
});

test('the same command again measures nothing, and says the same', async () => {
  const [before, { mtimeMs }] = await Promise.all([lines(), stat(results)]);
  const { code, stderr } = await evaluate('--sheet', '0');
  expect(code).toBe(0);
  expect(stderr).toContain('0 answers to measure, 6 are there.');
  expect(await lines()).toEqual(before);
  expect((await stat(results)).mtimeMs).toBeGreaterThanOrEqual(mtimeMs);
});

test('what is known of a face by now stands beside figures measured before', async () => {
  const before = await lines();
  const digest = (await lineOf('rescnn', 'masked.png'))?.digest ?? '';
  await writeIndex(digest, 'older');
  expect((await evaluate('--sheet', '0')).stderr).toContain('0 answers to measure, 6 are there.');
  expect(await lines()).toEqual(before.map((line) => ({ ...line, age: 'older' })));
});

test('what a power cut left half written is measured again, the rest is not', async () => {
  const before = await lines();
  await truncate(results, (await stat(results)).size - 10);
  const { stderr } = await evaluate('--sheet', '0');
  expect(stderr).toContain('1 answer to measure, 5 are there.');
  expect(new Set((await lines()).map((line) => JSON.stringify(line)))).toEqual(
    new Set(before.map((line) => JSON.stringify(line))),
  );
});

test('another photo under the same name is measured anew, and other networks are too', async () => {
  await writeIndex('second');
  const [line] = (await lines()).filter(({ row, file }) => row === 'rescnn' && file === 'bare.png');
  const text = await readFile(results, 'utf8');
  await writeFile(results, text.replace(line?.networks ?? '', '0000000000000000'));
  const { stderr } = await evaluate('--sheet', '0', '--no-pipeline');
  expect(stderr).toMatch(/[23] answers to measure/);
  expect((await lines()).every(({ networks }) => networks !== '0000000000000000')).toBe(true);
});

test('fills that need no network come from evaluate.py, and from the same photos or not at all', async () => {
  const masked = await lineOf('masked', 'masked.png');
  const baselines = join(folder, 'baselines.csv');
  const head = 'case,row,file,regionPsnr,regionSsim,psnr,ssim,psnrEq8,gradientEnergy,area\n';
  await writeFile(baselines, `${head}I,masked,masked.png,${masked?.regionPsnr},.3,18,.8,18,2,.1\n`);
  await appendFile(baselines, 'I,harmonic,masked.png,15.5,.5,23,.9,23,.02,.1\n');
  const { code } = await evaluate('--sheet', '0', '--no-pipeline', '--baselines', baselines);
  expect(code).toBe(0);
  const tables = await readFile(join(folder, 'out', 'tables.md'), 'utf8');
  expect(tables).toContain('| harmonic fill, told the region | 15.50 (15.50 .. 15.50) |');

  await writeFile(
    baselines,
    `${head}I,masked,masked.png,3.5,.3,18,.8,18,2,.1\nI,harmonic,masked.png,15,.5,23,.9,23,0,.1\n`,
  );
  const refused = await evaluate('--sheet', '0', '--no-pipeline', '--baselines', baselines);
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('Expected') });
});

test('--json is lines of JSON and nothing else', async () => {
  const { stdout } = await evaluate('--sheet', '0', '--no-pipeline', '--json');
  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(events.map(({ event }) => event)).toEqual([...events.slice(1).map(() => 'row'), 'summary']);
});

test('what cannot be meant is said before any work', async () => {
  expect(await evaluate('--photos', join(folder, 'nowhere'))).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('render_cases.py'),
  });
  expect(await evaluate('--models', 'resnet')).toMatchObject({ code: 2, stderr: expect.stringContaining('rescnn-56') });
  expect(await evaluate('--sheet', 'many')).toMatchObject({ code: 2, stderr: expect.stringContaining('many') });
  expect(await evaluate('--cases', 'VIII')).toMatchObject({ code: 2 });
  expect(await evaluate('--cases', 'V')).toMatchObject({ code: 2, stderr: expect.stringContaining('--data') });
});
