import { expect, test } from 'vitest';
import { cacheFolder } from '../../scripts/query/cache-folder.ts';
import { sqlOf } from '../../scripts/query/canned-question.ts';
import { recordOf } from '../pipeline/factories.ts';
import { answered, face, photo, unmaskedFace } from './asking.ts';

const unmasked = (path: string, regionPsnr: number | null, seam: number, more = 0) =>
  recordOf({
    jobId: path,
    status: 'unmasked',
    photo: photo(path),
    faces: [unmaskedFace(regionPsnr, seam), ...Array.from({ length: more }, () => face())],
  });

const records = [
  unmasked('good', 25, 1.0),
  unmasked('bad', 12, 1.1),
  unmasked('worse-of-two', 11, 1.0, 1),
  unmasked('unmeasured-visible', null, 1.9),
  unmasked('unmeasured-fine', null, 1.0),
  recordOf({ jobId: 'bare', status: 'bare', photo: photo('bare'), faces: [face(), face(), face()] }),
  recordOf({
    jobId: 'heic',
    status: 'rejected',
    reason: { code: 'heic', message: 'HEIC is not supported.' },
    photo: photo('heic'),
    createdAt: '2026-11-02T00:00:00.000Z',
  }),
  recordOf({ jobId: 'failed', status: 'failed', photo: photo('failed'), createdAt: '2026-11-03T12:00:00.000Z' }),
];

const paths = async (question: Parameters<typeof sqlOf>[0]) =>
  (await answered(sqlOf(question), records)).map(({ path }) => path);

test('without flags: how many photos ended in each status', async () => {
  expect(await answered(sqlOf({}), records)).toEqual(
    expect.arrayContaining([
      { status: 'unmasked', photos: 5 },
      { status: 'rejected', photos: 1 },
    ]),
  );
});

test('--status, one or more, with their reasons', async () => {
  expect(await answered(sqlOf({ status: ['rejected'] }), records)).toMatchObject([
    { path: 'heic', status: 'rejected', reason: 'HEIC is not supported.' },
  ]);
  expect(await paths({ status: ['rejected', 'failed'] })).toEqual(['failed', 'heic']);
});

test('--worst: measured ones by their worst face, then the others by their seam; never a photo that was not unmasked', async () => {
  expect(await paths({ worst: 10 })).toEqual(['worse-of-two', 'bad', 'good', 'unmeasured-visible', 'unmeasured-fine']);
  expect(await paths({ worst: 2 })).toEqual(['worse-of-two', 'bad']);
});

test('--since includes its own moment', async () => {
  expect(await paths({ since: new Date('2026-11-02') })).toEqual(['failed', 'heic']);
  expect(await paths({ since: new Date('2026-11-02T00:00:00.001Z') })).toEqual(['failed']);
});

test('--faces-min', async () => {
  expect(await paths({ facesMin: 2 })).toEqual(['bare', 'worse-of-two']);
});

test('all together', async () => {
  expect(await paths({ status: ['unmasked'], worst: 5, since: new Date('2026-11-01'), facesMin: 2 })).toEqual([
    'worse-of-two',
  ]);
});

test("the cache is where the person's programs keep theirs", () => {
  expect(cacheFolder({ XDG_CACHE_HOME: '/caches' }, 'linux', '/home/anna')).toBe('/caches/unmask');
  expect(cacheFolder({ XDG_CACHE_HOME: 'relative' }, 'linux', '/home/anna')).toBe('/home/anna/.cache/unmask');
  expect(cacheFolder({}, 'darwin', '/Users/anna')).toBe('/Users/anna/.cache/unmask');
  expect(cacheFolder({ LOCALAPPDATA: '/local' }, 'win32', '/home')).toBe('/local/unmask/cache');
});
