import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { AxeResults } from 'axe-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, type TestContext, test, vi } from 'vitest';
import type { MetricsRecord } from '#pipeline/metrics-record.ts';
import type { Store } from '#pipeline/ports.ts';
import { makeThumbnails } from '#vision/thumbnail.ts';
import { buildComparison, maxShown } from '../../scripts/report/build-comparison.ts';
import { compareRecords } from '../../scripts/report/comparison.ts';
import { launchChromium } from './chromium.ts';
import {
  generatedAt,
  madeUpFace,
  madeUpQuality,
  madeUpRecord,
  madeUpRun,
  portrait,
  storeOf,
} from './made-up-results.ts';

// The page as a person has it: a file, opened in a real browser.

vi.setConfig({ testTimeout: 180_000, hookTimeout: 60_000 });

let browser: Browser | undefined;
let folder: string;

beforeAll(async () => {
  browser = await launchChromium();
  folder = await mkdtemp(join(tmpdir(), 'unmask-compare-'));
});

afterAll(async () => {
  await browser?.close();
  await rm(folder, { recursive: true, force: true });
});

const attack = '</style><script>document.title = 2</script><img src=x onerror=alert(1)> "q"\n\u202Eß😀.jpg';

const withFace = (path: string, regionPsnr: number, model: string): MetricsRecord => ({
  ...madeUpRecord({ path, faces: [madeUpFace({ quality: madeUpQuality(regionPsnr, 0.9) })] }),
  unmasked: { key: `unmasked/${path}`, bytes: 1, sha256: model },
});

const runA: readonly MetricsRecord[] = [
  withFace('anna.jpg', 31, 'a'),
  withFace('bert.jpg', 22, 'a'),
  withFace(attack, 27, 'a'),
  withFace('same.jpg', 27, 'one result'),
  madeUpRecord({ path: 'hidden.jpg', status: 'no-face', reason: { code: 'no-face', message: 'No face was <found>.' } }),
  madeUpRecord({ path: 'only-a.jpg' }),
];
const runB: readonly MetricsRecord[] = [
  withFace('anna.jpg', 31.5, 'b'),
  withFace('bert.jpg', 26, 'b'),
  withFace(attack, 27, 'b'),
  withFace('same.jpg', 27, 'one result'),
  withFace('hidden.jpg', 25, 'b'),
  madeUpRecord({ path: 'only-b.jpg' }),
];

type Stores = { readonly a: Store; readonly b: Store; readonly photos: Store };
let stores: Stores | undefined;

async function smallStores(): Promise<Stores> {
  const objects: { a: Record<string, Uint8Array>; b: Record<string, Uint8Array>; photos: Record<string, Uint8Array> } =
    {
      ...{ a: {}, b: {}, photos: {} },
    };
  for (const [index, { photo }] of runA.entries()) {
    const path = photo.key.slice('photos/'.length);
    objects.photos[photo.key] = await portrait(index, true);
    objects.a[`unmasked/${path}`] = await portrait(index, false);
    objects.b[`unmasked/${path}`] = await portrait(index + 50, false);
  }
  return { a: storeOf(objects.a), b: storeOf(objects.b), photos: storeOf(objects.photos) };
}

const pageOf = async (a: readonly MetricsRecord[], b: readonly MetricsRecord[]): Promise<string> => {
  stores ??= await smallStores();
  const runs = [
    { location: 'out-a', records: a, results: stores.a },
    { location: `s3://b/${attack}`, records: b, results: stores.b },
  ] as const;
  const { photos } = stores;
  return buildComparison(compareRecords(a, b), runs, { photos, thumbnails: makeThumbnails, generatedAt });
};

type Picture = { readonly naturalWidth: number };
type Opened = { readonly page: Page; readonly complaints: readonly string[]; readonly requests: readonly string[] };

async function open(
  context: TestContext,
  options: BrowserContextOptions = {},
  runs = [runA, runB] as const,
): Promise<Opened> {
  if (!browser) return context.skip('no Chromium on this machine');
  const file = join(folder, 'compare.html');
  await writeFile(file, await pageOf(...runs));
  const page = await (await browser.newContext(options)).newPage();
  const complaints: string[] = [];
  const requests: string[] = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', ({ message }) => complaints.push(message));
  page.on('request', (request) => {
    if (!request.url().startsWith('data:')) requests.push(request.url());
  });
  await page.goto(pathToFileURL(file).href);
  return { page, complaints, requests };
}

test('loads without a complaint, asks nobody for anything, and runs no script', async (context) => {
  const { page, complaints, requests } = await open(context);
  expect(complaints).toEqual([]);
  expect(requests).toEqual([page.url()]);
  expect(await page.title()).toBe('Two runs compared');
  expect(await page.locator('script').count()).toBe(0);
  await page.context().close();
});

test('faces stand side by side, a changed status first, then the most changed; what is the same is left out', async (context) => {
  const { page } = await open(context);
  const names = await page.locator('.pair h3').allInnerTexts();
  expect(names.map((name) => name.slice(0, 4))).toEqual(['hidd', 'bert', 'anna', '</st']);
  const bert = page.locator('.pair', { hasText: 'bert.jpg' });
  const boxes = await Promise.all((await bert.getByRole('img').all()).map((image) => image.boundingBox()));
  expect(boxes).toHaveLength(3);
  expect(new Set(boxes.map((box) => box?.y)).size).toBe(1);
  expect(await bert.getByRole('figure').allInnerTexts()).toEqual([
    'Before',
    expect.stringMatching(/^A .*PSNR 22\.0 dB/s),
    expect.stringMatching(/^B .*PSNR 26\.0 dB/s),
  ]);
  await bert.scrollIntoViewIfNeeded();
  const widths = () =>
    bert
      .locator('img')
      .evaluateAll((images: readonly unknown[]) => images.map((image) => (image as Picture).naturalWidth));
  await expect.poll(async () => (await widths()).filter((width) => width > 200).length, { timeout: 20_000 }).toBe(3);
  await page.context().close();
});

test('where only one of them unmasked a face, the other says why not', async (context) => {
  const { page } = await open(context);
  const hidden = page.locator('.pair', { hasText: 'hidden.jpg' });
  expect(await hidden.getByRole('img').count()).toBe(2);
  expect(await hidden.getByRole('figure').nth(1).innerText()).toContain('no-face: No face was <found>.');
  await page.context().close();
});

test('tiles and tables count what is in both, in one, changed and measured', async (context) => {
  const { page } = await open(context);
  const tiles = await page.locator('.tiles > div').allInnerTexts();
  expect(tiles.map((tile) => tile.split(/\n+/).slice(0, 2))).toEqual([
    ['Photos in both', '5'],
    ['Only in A', '1'],
    ['Only in B', '1'],
    ['Another status', '1'],
    ['Photos that differ', '4'],
  ]);
  const row = page.getByRole('row', { name: /^PSNR under the mask/ });
  expect(await row.getByRole('cell').allInnerTexts()).toEqual([
    ...['26.75 dB', '27.88 dB', expect.stringMatching(/^\+1\.13 dB/), '2', '0', '4 faces'],
  ]);
  expect(await page.getByRole('heading', { name: /^Only in A/ }).count()).toBe(1);
  await page.context().close();
});

for (const colorScheme of ['light', 'dark'] as const) {
  test(`axe finds nothing, ${colorScheme}`, async (context) => {
    const { page } = await open(context, { colorScheme });
    // The page's policy lets no script in; a debugger is not bound by it.
    await page.evaluate(await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'));
    const { violations } = await page.evaluate<AxeResults>('axe.run()');
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
    await page.context().close();
  });
}

test('nothing sticks out on a phone', async (context) => {
  const { page } = await open(context, { viewport: { width: 390, height: 844 } });
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390);
  await page.context().close();
});

test('a big comparison shows the most changed, says how many that is, and stays a page that opens', async (context) => {
  const big = madeUpRun(3000);
  const moved = big.map((record) => ({
    ...record,
    ...(record.unmasked && { unmasked: { ...record.unmasked, sha256: 'moved' } }),
  }));
  const { page } = await open(context, {}, [big, moved]);
  const said = await page.locator('#pictures > p').innerText();
  expect(said).toMatch(new RegExp(`^The most changed first: ${maxShown} of 2,\\d{3} photos that differ\\.$`));
  expect(await page.locator('.pair').count()).toBe(maxShown);
  await page.context().close();
});

test('names from outside are only names', async () => {
  const page = await pageOf(runA, runB);
  expect(page.includes('<img src=x')).toBe(false);
  expect(page.includes('<script')).toBe(false);
  expect(page.includes('script-src &#39;none&#39;')).toBe(true);
});

test('the same two runs give the same page', async () => {
  expect((await pageOf(runA.toReversed(), runB)) === (await pageOf(runA, runB))).toBe(true);
});
