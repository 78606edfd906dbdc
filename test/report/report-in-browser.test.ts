import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { AxeResults } from 'axe-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, type TestContext, test, vi } from 'vitest';
import type { MetricsRecord } from '#pipeline/metrics-record.ts';
import type { Store } from '#pipeline/ports.ts';
import { makeThumbnails } from '#vision/thumbnail.ts';
import { buildReport } from '../../scripts/report/build-report.ts';
import { launchChromium } from './chromium.ts';
import {
  generatedAt,
  madeUpFace,
  madeUpQuality,
  madeUpRecord,
  madeUpRun,
  manifestOf,
  portrait,
  storeOf,
} from './made-up-results.ts';

// The page as a person has it: a file, opened in a real browser, beside the folders that it links to.

// A browser on a busy machine is slow to start; what is measured below is the page's own CPU time.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 60_000 });

let browser: Browser | undefined;
let folder: string;

beforeAll(async () => {
  browser = await launchChromium();
  folder = await mkdtemp(join(tmpdir(), 'unmask-report-'));
});

afterAll(async () => {
  await browser?.close();
  await rm(folder, { recursive: true, force: true });
});

const oddName = 'odd/100% a+b #1? <img src=x onerror=alert(1)> "q"\nß😀.jpg';

const records: readonly MetricsRecord[] = [
  madeUpRecord({
    path: 'anna.jpg',
    faces: [madeUpFace({ quality: madeUpQuality(31, 0.95) }), madeUpFace({ masked: false, seam: null })],
  }),
  madeUpRecord({ path: 'bert.jpg', faces: [madeUpFace({ quality: madeUpQuality(22, 0.7), seam: 1.6 })] }),
  madeUpRecord({ path: 'gone.jpg', faces: [madeUpFace({ quality: madeUpQuality(27, 0.85) })] }),
  madeUpRecord({ path: oddName }),
  madeUpRecord({ path: 'bare.jpg', status: 'bare' }),
  madeUpRecord({ path: 'trees.jpg', status: 'no-face', reason: { code: 'no-face', message: 'No face was found.' } }),
  madeUpRecord({
    path: '</script><script>document.title = 2</script>.heic',
    status: 'rejected',
    reason: { code: 'heic', message: 'HEIC <b>must</b> be converted.' },
    size: null,
  }),
  madeUpRecord({ path: 'late.jpg', status: 'failed', reason: { code: 'dead-letter', message: 'It stopped 5 times.' } }),
];

/** `gone.jpg` has lost its original; `oddName` is too odd for a thumbnail here, so that the page links to its file. */
async function smallStores(): Promise<Stores> {
  const results: Record<string, Uint8Array> = {};
  const photos: Record<string, Uint8Array> = {};
  for (const [index, { photo, unmasked, status }] of records.entries()) {
    if (unmasked && photo.key !== `photos/${oddName}`) results[unmasked.key] = await portrait(index, false);
    if (!['rejected', 'failed'].includes(status) && photo.key !== 'photos/gone.jpg')
      photos[photo.key] = await portrait(index, true);
  }
  return { results: storeOf(results), photos: storeOf(photos) };
}

type Stores = { readonly results: Store; readonly photos: Store };
let stores: Stores | undefined;

type Opened = { readonly page: Page; readonly complaints: readonly string[]; readonly requests: readonly string[] };

/** Skips the test, and says so, where there is no Chromium. */
async function open(
  context: TestContext,
  { shown = records, ...options }: BrowserContextOptions & { readonly shown?: readonly MetricsRecord[] } = {},
): Promise<Opened> {
  if (!browser) return context.skip('no Chromium on this machine');
  const file = join(folder, 'report.html');
  stores ??= await smallStores();
  const content = { records: shown, manifest: manifestOf(shown), generatedAt };
  await writeFile(file, await buildReport(content, { ...stores, thumbnails: makeThumbnails }));
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })).newPage();
  const complaints: string[] = [];
  const requests: string[] = [];
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('dialog', (dialog) => complaints.push(`dialog: ${dialog.message()}`));
  page.on('request', (request) => {
    if (!request.url().startsWith('data:')) requests.push(request.url());
  });
  await page.goto(pathToFileURL(file).href);
  await page.waitForSelector('html[data-ready]');
  return { page, complaints, requests };
}

const namesIn = (page: Page) => page.locator('#list .name').allInnerTexts();
const choose = (page: Page, name: string, value: string) =>
  page.locator(`input[name="${name}"][value="${value}"]`).check();

test('it loads without a complaint and asks for nothing but its own file', async (context) => {
  const shown = records.filter(({ photo }) => photo.key !== `photos/${oddName}`);
  const { page, complaints, requests } = await open(context, { shown });
  await page.waitForTimeout(100);
  expect(complaints).toEqual([]);
  expect(requests).toEqual([page.url()]);
  await page.context().close();
});

test('a photo named as an attack is only a name', async (context) => {
  const { page, complaints } = await open(context);
  expect(await page.locator('img[src="x"], #list script, #list b').count()).toBe(0);
  expect(await page.title()).toBe('Unmasked photos');
  expect((await namesIn(page)).join()).toContain('<img src=x onerror=alert(1)>');
  expect(complaints.filter((complaint) => !complaint.includes('ERR_FILE_NOT_FOUND'))).toEqual([]);
  await page.context().close();
});

test('links lead to the files, and a picture that is not embedded is shown from its file', async (context) => {
  const file = join(folder, 'unmasked', oddName);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, await portrait(3, false));
  const { page, complaints } = await open(context);
  const card = page.locator('.card', { hasText: '100% a+b' });
  const link = await card.getByRole('link', { name: 'Unmasked photo' }).getAttribute('href');
  expect(await readFile(fileURLToPath(new URL(link ?? '', page.url())))).toEqual(await readFile(file));
  await card.scrollIntoViewIfNeeded();
  const widthInPixels = () => card.locator('img').evaluate((image: { naturalWidth: number }) => image.naturalWidth);
  await expect.poll(widthInPixels, { timeout: 20_000 }).toBe(480);
  expect(complaints).toEqual([]);
  await page.context().close();
});

test('the slider follows the mouse and the keyboard, and says where it is', async (context) => {
  const { page } = await open(context);
  const slider = page.getByRole('slider', { name: 'Before and after: anna.jpg, face 1 of 2' });
  const frame = page.locator('.compare', { has: slider });
  const shownPart = () =>
    frame
      .locator('.after')
      .evaluate((image: { computedStyleMap(): Map<string, unknown> }) =>
        String(image.computedStyleMap().get('clip-path')),
      );
  await slider.scrollIntoViewIfNeeded();
  expect(await shownPart()).toBe('inset(0px 0px 0px 50%)');

  const box = await frame.boundingBox();
  if (!box) throw new Error('Expected the slider to be on screen.');
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.25, box.y + box.height / 2, { steps: 4 });
  await page.mouse.up();
  expect(Number(await slider.inputValue())).toBeGreaterThan(18);
  expect(Number(await slider.inputValue())).toBeLessThan(32);

  await slider.press('Home');
  expect(await shownPart()).toBe('inset(0px 0px 0px 0%)');
  await slider.press('ArrowRight');
  expect(await shownPart()).toBe('inset(0px 0px 0px 1%)');
  expect(await slider.getAttribute('aria-valuetext')).toBe('1 % before, 99 % after');
  await page.context().close();
});

test('where the original is gone there is no slider but the unmasked face', async (context) => {
  const { page } = await open(context);
  const card = page.locator('.card', { hasText: 'gone.jpg' });
  expect(await card.getByRole('slider').count()).toBe(0);
  expect(await card.getByRole('img', { name: 'gone.jpg, unmasked' }).count()).toBe(1);
  await page.context().close();
});

test('the filter filters, by status and by words, and says how many are left', async (context) => {
  const { page } = await open(context);
  expect(await page.getByRole('status').innerText()).toBe('All 8 photos');
  await choose(page, 'status', 'unmasked');
  expect(await page.getByRole('status').innerText()).toBe('4 of 8 photos');
  await page.getByLabel('Find').fill('BERT');
  expect(await namesIn(page)).toEqual(['bert.jpg']);
  await page.getByLabel('Find').fill('nobody');
  expect(await page.locator('#list').innerText()).toBe('No photo fits this choice.');
  await page.context().close();
});

test('the list sorts by quality, worst first, and what was not measured comes last both ways', async (context) => {
  const { page } = await open(context);
  await choose(page, 'status', 'unmasked');
  await page.getByLabel('Sort by').selectOption({ label: 'PSNR under the mask' });
  const names = async () => (await namesIn(page)).map((name) => name.slice(0, 4));
  expect(await names()).toEqual(['bert', 'gone', 'anna', 'odd/']);
  await page.getByRole('button', { name: 'Ascending' }).click();
  expect(await names()).toEqual(['anna', 'gone', 'bert', 'odd/']);
  await page.context().close();
});

test('the table sorts by its heads, from the keyboard, and says so', async (context) => {
  const { page } = await open(context);
  await choose(page, 'view', 'table');
  const head = page.getByRole('columnheader', { name: 'Seam' });
  await head.getByRole('button').press('Enter');
  expect(await head.getAttribute('aria-sort')).toBe('descending');
  expect((await namesIn(page))[0]).toBe('bert.jpg');
  await page.keyboard.press('Enter');
  expect(await head.getAttribute('aria-sort')).toBe('ascending');
  await page.context().close();
});

test('a reason with many photos leads to them in the table', async (context) => {
  const many = Array.from({ length: 20 }, (_, index) =>
    madeUpRecord({ path: `${index}.heic`, status: 'rejected', reason: { code: 'heic', message: 'Convert it.' } }),
  );
  const { page } = await open(context, { shown: [...many, ...madeUpRun(100)] });
  await page
    .getByRole('button', { name: /^Show all \d+ in the table$/ })
    .first()
    .click();
  expect(await page.getByRole('row').count()).toBeGreaterThan(20);
  expect(await page.locator('input[name="status"]:checked').inputValue()).toBe('rejected');
  await page.context().close();
});

for (const colorScheme of ['light', 'dark'] as const) {
  for (const view of ['gallery', 'table']) {
    test(`axe finds nothing serious in the ${view}, ${colorScheme}`, async (context) => {
      const { page } = await open(context, { colorScheme });
      await choose(page, 'view', view);
      // The page's policy lets no other script in; a debugger is not bound by it.
      const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
      await page.evaluate(axe);
      const { violations } = await page.evaluate<AxeResults>('axe.run()');
      const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
      expect(grave.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
      expect(violations.map(({ id }) => id)).toEqual([]);
      await page.context().close();
    });
  }
}

test('nothing sticks out on a phone', async (context) => {
  const { page } = await open(context, { viewport: { width: 390, height: 844 } });
  for (const view of ['gallery', 'table']) {
    await choose(page, 'view', view);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390);
  }
  await page.context().close();
});

test('on paper before and after stand side by side and the controls are gone', async (context) => {
  const { page } = await open(context);
  await page.emulateMedia({ media: 'print' });
  const frame = page.locator('.compare').first();
  const [before, after] = await Promise.all([
    frame.locator('.before').boundingBox(),
    frame.locator('.after').boundingBox(),
  ]);
  expect(after?.x).toBeCloseTo((before?.x ?? 0) + (before?.width ?? 0), 0);
  expect(await page.locator('.toolbar').isVisible()).toBe(false);
  await page.context().close();
});

const scrollBy = (pixels: string, frames: number) => `(async () => {
  const pixels = ${pixels};
  for (let frame = 0; frame < ${frames}; frame++) {
    scrollBy(0, pixels);
    await new Promise((resolve) => requestAnimationFrame(resolve));
  }
  return document.querySelectorAll('*').length;
})()`;

/** CPU milliseconds of the page's own thread, and the elements it holds at most; `frame` and `leap`: for one of them. */
type Effort = { readonly frame: number; readonly leap: number; readonly elements: number };

/** Opens a report, and measures how much work it is to show it and to scroll through each view. */
async function measureScrolling(context: TestContext, photos: number) {
  const { page } = await open(context, { shown: madeUpRun(photos) });
  const debuggerSession = await page.context().newCDPSession(page);
  // Thread time: what the page itself costs, however busy the machine is.
  await debuggerSession.send('Performance.enable', { timeDomain: 'threadTicks' });
  const busyMilliseconds = async () => {
    const { metrics } = await debuggerSession.send('Performance.getMetrics');
    return 1000 * (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN);
  };
  const costOf = async <Result>(work: () => Promise<Result>, frames: number) => {
    const start = await busyMilliseconds();
    const result = await work();
    return { result, milliseconds: ((await busyMilliseconds()) - start) / frames };
  };

  const ready = await costOf(async () => {
    await page.reload();
    await page.waitForSelector('html[data-ready]');
  }, 1);
  const effortOf = async (view: string): Promise<Effort> => {
    await choose(page, 'view', view);
    const wheel = await costOf(() => page.evaluate<number>(scrollBy('400', 30)), 30);
    const leap = await costOf(
      () => page.evaluate<number>(scrollBy('document.documentElement.scrollHeight / 12', 10)),
      10,
    );
    await page.evaluate('scrollTo(0, 0)');
    const elements = Math.max(wheel.result, leap.result);
    return { frame: wheel.milliseconds, leap: leap.milliseconds, elements };
  };
  const efforts = { gallery: await effortOf('gallery'), table: await effortOf('table') };
  console.info(`${photos} photos, CPU ms: ready ${ready.milliseconds}`, efforts);
  return { page, ready: ready.milliseconds, ...efforts };
}

/** Of a 60 Hz screen. */
const frameMilliseconds = 16;

// Machines differ, and painting pictures is most of it: 5,000 photos may need half as much again as 400, and a leap as much longer as
// that exceeds a frame.
test('5,000 photos: quickly there, smooth to scroll, few elements', { retry: 2 }, async (context) => {
  const few = await measureScrolling(context, 400);
  await few.page.context().close();
  const { page, ...many } = await measureScrolling(context, 5000);
  for (const view of ['gallery', 'table'] as const) {
    const slowness = Math.max(1, (1.5 * few[view].frame) / frameMilliseconds);
    expect(many[view].frame).toBeLessThan(Math.min(1.5 * few[view].frame, 50));
    expect(many[view].leap).toBeLessThan(Math.min(100 * slowness, 400));
    expect(many[view].elements).toBeLessThan(5000);
  }
  expect(many.ready).toBeLessThan(1500);

  await page.evaluate('scrollTo(0, document.documentElement.scrollHeight)');
  await page.locator('tr[aria-rowindex="5001"]').waitFor();
  await page.context().close();
});
