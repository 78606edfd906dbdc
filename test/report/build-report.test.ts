import { expect, test } from 'vitest';
import type { MetricsRecord } from '#pipeline/metrics-record.ts';
import type { Store } from '#pipeline/ports.ts';
import type { MakeThumbnails } from '#vision/thumbnail.ts';
import { buildReport, reportKey } from '../../scripts/report/build-report.ts';
import type { PhotoRow } from '../../scripts/report/photo-row.ts';
import { maxEmbedded } from '../../scripts/report/pictures.ts';
import {
  generatedAt,
  madeUpFace,
  madeUpQuality,
  madeUpRecord,
  madeUpRun,
  manifestOf,
  storeOf,
} from './made-up-results.ts';

/** The "picture" of a view is the photo's bytes and the view's corner: enough to see which went where. */
const thumbnails: MakeThumbnails = async (bytes, { views }) =>
  views.map(({ x, y }) => new TextEncoder().encode(`${new TextDecoder().decode(bytes)} at ${x},${y}`));

const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (base64: string | undefined) => base64 && Buffer.from(base64, 'base64').toString();

type Stores = { readonly results?: Store; readonly photos?: Store; readonly thumbnails?: MakeThumbnails };

const report = (records: readonly MetricsRecord[], stores: Stores = {}) =>
  buildReport({ records, manifest: manifestOf(records), generatedAt }, { results: storeOf({}), thumbnails, ...stores });

const rowsOf = (page: string): readonly PhotoRow[] =>
  JSON.parse(page.match(/id="report-data">(.*?)<\/script>/s)?.[1] ?? '');

/** What a reader sees before the list of photos. */
const mainOf = (page: string): string => page.slice(page.indexOf('<main>'), page.indexOf('</main>'));

const twoStores = {
  results: storeOf({ 'unmasked/a.jpg': bytesOf('unmasked a') }),
  photos: storeOf({ 'photos/a.jpg': bytesOf('photo a') }),
};

test('the first thing said is that the covered part is imagined', async () => {
  const page = await report([]);
  const text = page.slice(page.indexOf('<body>')).replace(/<[^>]+>/g, '');
  expect(text.indexOf('The covered part of every face here is imagined.')).toBeLessThan(250);
  expect(text).toContain('Not for identifying anybody.');
});

test('counts in the page add up to the photos, and the newest record of a photo counts', async () => {
  const records = [
    ...madeUpRun(200),
    madeUpRecord({ path: 'twice.jpg', createdAt: '2026-11-01T00:00:00.000Z', status: 'failed' }),
    madeUpRecord({ path: 'twice.jpg', createdAt: '2026-11-02T00:00:00.000Z', status: 'bare' }),
  ];
  const page = await report(records);
  const counts = [...page.matchAll(/<span>([a-z-]+) <b>([\d,]+)<\/b>/g)].map(([, status, count]) => [
    status,
    Number(count),
  ]);
  expect(counts[0]).toEqual(['all', 201]);
  expect(counts.slice(1).reduce((total, [, count]) => total + Number(count), 0)).toBe(201);
  expect(rowsOf(page).filter(({ name }) => name === 'twice.jpg')).toMatchObject([{ status: 'bare' }]);
});

test('the same results give the same page, whatever the order of the records', async () => {
  const records = madeUpRun(50);
  expect(await report(records.toReversed())).toBe(await report(records));
});

test('names and reasons cannot become markup', async () => {
  const path = '<img src=x onerror=alert(1)>.png';
  const message = '</script><script>alert(2)</script><!--';
  const page = await report([
    madeUpRecord({ path, status: 'rejected', reason: { code: 'not-an-image', message } }),
    madeUpRecord({ path: '"><b>.png' }),
  ]);
  expect(page).not.toContain('<img');
  expect(page).not.toContain('<b>.png');
  expect(page.match(/<script/g)).toHaveLength(2);
  expect(rowsOf(page).map(({ name, reason }) => [name, reason?.message])).toEqual([
    ['"><b>.png', undefined],
    [path, message],
  ]);
});

test('quality that was not measured is not shown as a number', async () => {
  const page = await report([madeUpRecord({ path: 'a.jpg' })]);
  expect(page).toContain('no references given: quality was not measured');
  expect(mainOf(page)).not.toMatch(/NaN|undefined|Infinity|<dt>PSNR under/);
});

test('means are over the faces that were measured', async () => {
  const faces = [
    madeUpFace({ quality: madeUpQuality(20, 0.8) }),
    madeUpFace({ quality: madeUpQuality(30, 0.9) }),
    madeUpFace(),
  ];
  const page = await report([madeUpRecord({ path: 'a.jpg', faces })]);
  expect(page).toContain('<span class="value">25.0<small> dB</small></span>');
  expect(page).toContain('<span class="value">0.850</span>');
});

test('an identical photo, whose PSNR is infinite, does not break the page', async () => {
  const identical = { psnr: null, ssim: 1, regionPsnr: null, regionSsim: 1, psnrEq8: null };
  const page = await report([madeUpRecord({ path: 'a.jpg', faces: [madeUpFace({ quality: identical })] })]);
  expect(page).toContain('SSIM under the mask');
  expect(mainOf(page)).not.toMatch(/NaN|Infinity/);
});

test('photos without totalMs count with their stages', async () => {
  const page = await report([
    madeUpRecord({ path: 'a.jpg', timings: { decodeMs: 400, totalMs: 400 } }),
    madeUpRecord({ path: 'b.jpg', status: 'bare', timings: { decodeMs: 100, localiseMs: 50 } }),
    madeUpRecord({ path: 'c.jpg', status: 'rejected', timings: {} }),
  ]);
  expect(rowsOf(page).map(({ milliseconds }) => milliseconds)).toEqual([400, 150, null]);
  expect(page).toContain(
    '<span class="value">550 ms</span><span class="note">275 ms a photo, waiting for others included</span>',
  );
});

test('failures come before rejections, each with its reason, and say how many there are', async () => {
  const rejected = Array.from({ length: 12 }, (_, index) =>
    madeUpRecord({ path: `${index}.heic`, status: 'rejected', reason: { code: 'heic', message: 'Convert it.' } }),
  );
  const failed = madeUpRecord({ path: 'z.jpg', status: 'failed', reason: { code: 'internal', message: 'It broke.' } });
  const page = await report([...rejected, failed]);
  const section = page.slice(page.indexOf('Failures and rejections'), page.indexOf('id="distributions"'));
  expect(section.indexOf('It broke.')).toBeGreaterThan(0);
  expect(section.indexOf('It broke.')).toBeLessThan(section.indexOf('Convert it.'));
  expect(section).toContain('12 photos rejected');
  expect(section).toContain('Show all 12 in the table');
});

test('a manifest that counts other photos than the page is said', async () => {
  const records = madeUpRun(3);
  const content = { records, manifest: manifestOf(madeUpRun(2)), generatedAt };
  const page = await buildReport(content, { results: storeOf({}), thumbnails });
  expect(page).toContain('The manifest says something else.');
  expect(await report(records)).not.toContain('The manifest says something else.');
});

test('each unmasked face has its before and its after from the same square', async () => {
  const faces = [
    madeUpFace({ box: { x: 100, y: 100, width: 66, height: 66 } }),
    madeUpFace({ masked: false, seam: null }),
    madeUpFace({ box: { x: 300, y: 200, width: 66, height: 66 } }),
  ];
  const page = await report([madeUpRecord({ path: 'a.jpg', faces })], twoStores);
  const shown = rowsOf(page)[0]?.faces.map(({ number, before, after }) => [number, textOf(before), textOf(after)]);
  expect(shown).toEqual([
    [1, 'photo a at 83,83', 'unmasked a at 83,83'],
    [3, 'photo a at 283,183', 'unmasked a at 283,183'],
  ]);
});

test('where the original is gone only the unmasked face is shown', async () => {
  const page = await report([madeUpRecord({ path: 'a.jpg' })], { ...twoStores, photos: storeOf({}) });
  expect(rowsOf(page)[0]?.faces).toMatchObject([{ after: expect.any(String) }]);
  expect(rowsOf(page)[0]?.faces[0]?.before).toBeUndefined();
});

test('an original that was replaced since is not shown as the before', async () => {
  const page = await report([madeUpRecord({ path: 'a.jpg', etag: 'of an older upload' })], twoStores);
  expect(rowsOf(page)[0]?.faces[0]?.before).toBeUndefined();
});

test('what cannot be decoded is linked instead, except where no browser could show it', async () => {
  const undecodable = { ...twoStores, thumbnails: async () => undefined };
  const jpeg = madeUpRecord({ path: 'a.jpg' });
  const tiff = { ...jpeg, photo: { ...jpeg.photo, format: 'tiff' } };
  expect(rowsOf(await report([jpeg], undecodable))[0]?.faces[0]?.view).toMatchObject({ width: 288 });
  expect(rowsOf(await report([tiff], undecodable))[0]?.faces[0]?.view).toBeUndefined();
});

test('a bare photo is shown as it was given; a rejected one is not decoded', async () => {
  const photos = storeOf({ 'photos/b.jpg': bytesOf('photo b'), 'photos/r.jpg': bytesOf('photo r') });
  const records = [
    madeUpRecord({ path: 'b.jpg', status: 'bare' }),
    madeUpRecord({ path: 'r.jpg', status: 'rejected', reason: { code: 'too-large', message: 'Too large.' } }),
  ];
  const rows = rowsOf(await report(records, { photos }));
  expect(rows.map(({ still }) => textOf(still))).toEqual(['photo b at 0,0', undefined]);
  expect(photos.asked).toEqual(['photos/b.jpg']);
});

test('the next report takes the pictures over: nothing is read or decoded again, and a gone original keeps its before', async () => {
  const records = [madeUpRecord({ path: 'a.jpg' })];
  const first = await report(records, twoStores);
  const results = storeOf({ [reportKey]: bytesOf(first) });
  const never: MakeThumbnails = () => Promise.reject(new Error('Nothing is to be decoded.'));
  const second = await report(records, { results, photos: storeOf({}), thumbnails: never });
  expect(second).toBe(first);
  expect(results.asked).toEqual([reportKey]);
});

test('a photo that was unmasked anew is decoded anew', async () => {
  const [record] = [madeUpRecord({ path: 'a.jpg' })];
  const first = await report([record], twoStores);
  const results = storeOf({ [reportKey]: bytesOf(first), 'unmasked/a.jpg': bytesOf('better') });
  const anew = { ...record, unmasked: { key: 'unmasked/a.jpg', bytes: 1, sha256: 'd'.repeat(64) } };
  const rows = rowsOf(await report([anew], { ...twoStores, results }));
  expect(textOf(rows[0]?.faces[0]?.after)).toMatch(/^better/);
});

test('an earlier report that is damaged, or somebody else’s page, is no obstacle', async () => {
  for (const page of ['', '<p>hello', '<script type="application/json" id="report-data">[{"faces":3}]</script>']) {
    const results = storeOf({ [reportKey]: bytesOf(page) });
    expect(rowsOf(await report([madeUpRecord({ path: 'a.jpg' })], { results }))).toHaveLength(1);
  }
});

test('no more pictures are embedded than fit, unmasked faces before other photos', async () => {
  const records = [
    ...Array.from({ length: 5 }, (_, index) => madeUpRecord({ path: `a bare ${index}.jpg`, status: 'bare' })),
    ...Array.from({ length: maxEmbedded - 2 }, (_, index) => madeUpRecord({ path: `${index}.jpg` })),
  ];
  const every: Store = {
    ...storeOf({}),
    get: async (key) => ({ bytes: bytesOf('x'), etag: `etag of ${key.slice(7)}` }),
  };
  const rows = rowsOf(
    await report(records, {
      results: { ...every, get: async (key) => (key === reportKey ? undefined : every.get(key)) },
      photos: every,
    }),
  );
  expect(rows.flatMap(({ faces }) => faces).filter(({ after }) => after !== undefined)).toHaveLength(maxEmbedded - 2);
  expect(rows.filter(({ still }) => still !== undefined)).toHaveLength(2);
});

test('the page without data is small', async () => {
  expect((await report([])).length).toBeLessThan(40_000 + 12_000);
});

test('the page is plain ASCII whatever the photos are called: any charset reads it alike', async () => {
  const page = await report([madeUpRecord({ path: 'Gr\u00fc\u00dfe \u{1f600}.jpg', status: 'failed' })]);
  expect(page).toMatch(/^[\n -~]*$/);
  expect(page).toContain('Gr&#252;&#223;e &#128512;.jpg');
});

test('the policy allows this script and this style, and no connection', async () => {
  const page = await report([]);
  const policy = page.match(/Content-Security-Policy" content="([^"]+)"/)?.[1]?.replaceAll('&#39;', "'");
  expect(policy).toMatch(
    /^default-src 'none'; script-src 'sha256-[\w+/=]+'; style-src 'sha256-[\w+/=]+'; img-src data: 'self' file:; base-uri 'none'; form-action 'none'$/,
  );
});
