import { expect, test } from 'vitest';
import { createRaster } from '#image/raster.ts';
import { checkPhoto } from '#pipeline/check-photo.ts';
import type { Face } from '#pipeline/face.ts';
import { parseJob } from '#pipeline/job.ts';
import { parseMetricsRecord } from '#pipeline/metrics-record.ts';
import type { Codec } from '#pipeline/ports.ts';
import { type UnmaskTools, unmaskPhoto } from '#pipeline/unmask-photo.ts';
import {
  bytesOf,
  createMemoryStore,
  createTestClock,
  createTestQueue,
  detectorOf,
  faceAt,
  paintingUnmasker,
  processing,
  referenceOf,
  testCodec,
  unusedDenoiser,
} from './factories.ts';

const key = 'photos/a/anna.png';

async function setUp(
  faces: readonly Face[],
  changes: Partial<UnmaskTools> = {},
  references: Record<string, string> = {},
) {
  const photos = createMemoryStore({ [key]: 'photo 300x280 of 100', ...references });
  const results = createMemoryStore();
  const queue = createTestQueue();
  const clock = createTestClock();
  const tools = {
    ...{ photos, results, queue, clock, processing, codec: testCodec, detector: detectorOf(faces) },
    ...{ unmasker: paintingUnmasker(100), denoiser: unusedDenoiser },
    ...changes,
  };
  await checkPhoto(await referenceOf(photos, key), tools);
  const job = parseJob(queue.sent[0] ?? '');
  return { photos, results, tools, job, unmask: () => unmaskPhoto(job, tools) };
}

/** Keeps what was encoded, so that a test can look at the pixels. */
function recordingCodec() {
  const encoded: { data: Uint8Array; width: number }[] = [];
  const codec: Codec = {
    ...testCodec,
    async encode(raster, like) {
      encoded.push(raster);
      return testCodec.encode(raster, like);
    },
  };
  return { codec, encoded };
}

test('the unmasked photo is written, then the record that names it', async () => {
  const { unmask, results } = await setUp([faceAt(100, 120)]);
  const { outcome, record } = await unmask();
  expect(outcome).toBe('written');
  expect(results.keys()).toEqual(['metrics/a/anna.png.json', 'unmasked/a/anna.png']);
  const stored = await results.get('unmasked/a/anna.png');
  expect(record.status).toBe('unmasked');
  expect(record.unmasked).toEqual({ key: 'unmasked/a/anna.png', bytes: stored?.bytes.length, sha256: stored?.etag });
  const written = await results.get('metrics/a/anna.png.json');
  expect(parseMetricsRecord(written?.bytes ?? bytesOf(''))).toEqual(record);
});

test('no pixel outside the region changes', async () => {
  const { codec, encoded } = recordingCodec();
  // Stripes, whose mean is the photo's: a plain colour would be matched to the skin around it.
  const unmasker = paintingUnmasker((x) => (x % 8 < 4 ? 40 : 160));
  const { unmask } = await setUp([faceAt(100, 120)], { codec, unmasker });
  await unmask();
  const { data, width } = encoded[0] ?? createRaster(1, 1, 3);
  // The eyes at (100, 120) lie at (98, 118) of the crop: the painted 80..175 x 140..219 is 82..177 x 142..221 of the photo.
  const changed = [...data.keys()].filter((index) => data[index] !== 100).map((index) => Math.floor(index / 3));
  const columns = changed.map((pixel) => pixel % width);
  const rows = changed.map((pixel) => Math.floor(pixel / width));
  expect(changed.length).toBeGreaterThan(0);
  expect([Math.min(...columns), Math.max(...columns)]).toEqual([expect.closeTo(82, -1), expect.closeTo(177, -1)]);
  expect(Math.min(...columns)).toBeGreaterThanOrEqual(82);
  expect(Math.max(...columns)).toBeLessThanOrEqual(177);
  expect(Math.min(...rows)).toBeGreaterThanOrEqual(142);
  expect(Math.max(...rows)).toBeLessThanOrEqual(221);
});

test('nothing of the mask shows through the faded edge of a region that is 3 px wider than it', async () => {
  const { codec, encoded } = recordingCodec();
  const masked: Codec = {
    ...codec,
    async decode(bytes) {
      const photo = await codec.decode(bytes);
      if ('rejected' in photo) return photo;
      // The region in the photo, 82..177 x 142..221, without its outermost 3 px: what grow - shrink of the model leaves.
      for (let y = 145; y <= 218; y++) photo.raster.data.fill(20, (y * 300 + 85) * 3, (y * 300 + 175) * 3);
      return photo;
    },
  };
  const { unmask } = await setUp([faceAt(100, 120)], { codec: masked });
  await unmask();
  const data = encoded[0]?.data ?? new Uint8Array();
  expect(data.length).toBe(300 * 280 * 3);
  expect(data.reduce((least, value) => Math.min(least, value), 255)).toBeGreaterThanOrEqual(97);
});

test('bare faces of the same photo are listed and left alone', async () => {
  const bare = faceAt(30, 40, { masked: false, maskProbability: 0.1 });
  const { unmask } = await setUp([faceAt(100, 120), bare]);
  const { record } = await unmask();
  expect(record.faces).toHaveLength(2);
  expect(record.faces[0]).toMatchObject({ masked: true, denoised: false, noiseSigma: expect.closeTo(0, 0) });
  expect(record.faces[1]).toMatchObject({ masked: false, seam: null, maskCoverage: null });
});

test('what the detector was unsure of is said of each such face, restored or not', async () => {
  const doubtful = faceAt(100, 120, { maskProbability: 0.6, unsure: true });
  const bare = faceAt(30, 40, { masked: false, maskProbability: 0.4, unsure: true });
  const { unmask } = await setUp([doubtful, bare, faceAt(200, 120)]);
  const { record } = await unmask();
  expect(record.faces.map(({ unsure }) => unsure)).toEqual([true, true, undefined]);
});

test('without a reference no quality is claimed', async () => {
  const { unmask } = await setUp([faceAt(100, 120)]);
  expect((await unmask()).record.faces[0]?.quality).toBeNull();
});

test('against a reference the quality is measured, the region apart from the whole', async () => {
  const { unmask } = await setUp(
    [faceAt(100, 120)],
    { unmasker: paintingUnmasker(110) },
    {
      'references/a/anna.png': 'photo 300x280 of 100',
    },
  );
  const quality = (await unmask()).record.faces[0]?.quality;
  expect(quality?.regionPsnr).toBeGreaterThan(20);
  expect(quality?.psnr).toBeGreaterThan(quality?.regionPsnr ?? Number.POSITIVE_INFINITY);
  // Equation 8 has width x height where PSNR has 255 squared.
  const offset = 10 * Math.log10((300 * 280) / 255 ** 2);
  expect(quality?.psnrEq8).toBeCloseTo((quality?.psnr ?? 0) + offset, 6);
});

test('a reference of another size is said, not scaled', async () => {
  const { unmask } = await setUp([faceAt(100, 120)], {}, { 'references/a/anna.png': 'photo 150x140 of 100' });
  const { record } = await unmask();
  expect(record).toMatchObject({ status: 'unmasked', reason: { code: 'reference-unusable' } });
  expect(record.faces[0]?.quality).toBeNull();
});

test('a noisy crop is denoised before it is unmasked', async () => {
  let ran = 0;
  const denoiser = {
    ...unusedDenoiser,
    sigmaThreshold: -1,
    denoise: async (raster: Parameters<typeof unusedDenoiser.denoise>[0]) => {
      ran++;
      return raster;
    },
  };
  const { unmask } = await setUp([faceAt(100, 120)], { denoiser });
  expect((await unmask()).record.faces[0]?.denoised).toBe(true);
  expect(ran).toBe(1);
});

test('with denoise off the denoiser never runs', async () => {
  const off = { ...processing, denoise: 'off' as const };
  const { unmask } = await setUp([faceAt(100, 120)], {
    denoiser: { ...unusedDenoiser, sigmaThreshold: -1 },
    processing: off,
  });
  expect((await unmask()).record.faces[0]?.denoised).toBe(false);
});

test('a suspected mask under which the unmasker finds nothing leaves the photo bare', async () => {
  const { unmask, results } = await setUp([faceAt(100, 120)], { unmasker: paintingUnmasker(0, () => false) });
  expect((await unmask()).record).toMatchObject({ status: 'bare', reason: { code: 'no-region' } });
  expect(results.keys()).toEqual(['metrics/a/anna.png.json']);
});

test('the photo, its record and its reference are asked for at the same time', async () => {
  const { unmask, photos, results } = await setUp([faceAt(100, 120)]);
  const asked: string[] = [];
  const { promise: allAsked, resolve } = Promise.withResolvers<void>();
  for (const store of [photos, results]) {
    const get = store.get.bind(store);
    store.get = async (wanted) => {
      if (asked.push(wanted) === 3) resolve();
      await allAsked;
      return get(wanted);
    };
  }
  expect((await unmask()).outcome).toBe('written');
  expect(asked.sort()).toEqual(['metrics/a/anna.png.json', key, 'references/a/anna.png']);
});

test('a redelivered job changes nothing and costs no inference', async () => {
  const { unmask, tools, job } = await setUp([faceAt(100, 120)]);
  const { record } = await unmask();
  const unmasker = { ...tools.unmasker, unmask: async () => Promise.reject(new Error('It must not run again.')) };
  expect(await unmaskPhoto(job, { ...tools, unmasker })).toEqual({ outcome: 'exists', record });
});

test('the same job gives the same bytes', async () => {
  const first = await setUp([faceAt(100, 120)]);
  const second = await setUp([faceAt(100, 120)]);
  expect((await first.unmask()).record.unmasked).toEqual((await second.unmask()).record.unmasked);
});

test('a job of an older upload writes no photo over the newer one', async () => {
  const { unmask, photos, results } = await setUp([faceAt(100, 120)]);
  const get = photos.get.bind(photos);
  // The older version can still be read, as from a versioned bucket, while the key holds newer bytes.
  const old = await get(key);
  await photos.put(key, bytesOf('photo 300x280 of 50'));
  photos.get = async (asked) => (asked === key ? old : get(asked));
  expect((await unmask()).outcome).toBe('superseded');
  expect(results.keys()).toEqual([]);
});

test('a job for a version of a photo that somebody deleted leaves nothing', async () => {
  const { job, tools, photos, results } = await setUp([faceAt(100, 120)]);
  await photos.delete(key);
  const versioned = { ...job, photo: { ...job.photo, versionId: 'v1' } };
  expect((await unmaskPhoto(versioned, tools)).outcome).toBe('superseded');
  expect(results.keys()).toEqual([]);
  expect((await unmaskPhoto(job, tools)).record).toMatchObject({ status: 'rejected', reason: { code: 'unreadable' } });
});

test('the time of every stage is told and the total is their sum', async () => {
  const { unmask } = await setUp([faceAt(100, 120)]);
  const { totalMs, ...stages } = (await unmask()).record.timings;
  expect(Object.keys(stages)).toEqual(
    expect.arrayContaining(['inspectMs', 'decodeMs', 'localiseMs', 'unmaskMs', 'encodeMs']),
  );
  expect(totalMs).toBeCloseTo(
    Object.values(stages).reduce((sum, value) => sum + value, 0),
    6,
  );
});
