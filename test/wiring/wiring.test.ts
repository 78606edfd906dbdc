import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseManifest } from '#pipeline/manifest.ts';
import { type MetricsRecord, parseMetricsRecord } from '#pipeline/metrics-record.ts';
import { metricsKey } from '#pipeline/photo.ts';
import { requestsPerPhoto } from '#pipeline/photo-price.ts';
import { bundleImage } from '../../scripts/bundle.ts';
import { logBytes } from '../../scripts/stack/photo-bill.ts';
import { synthesise } from '../infra/synthesise.ts';
import { startFunctionProcesses } from './function-process.ts';
import { type Rehearsal, rehearse } from './rehearsal.ts';
import { openXrayDaemon, type XrayDaemon } from './xray-daemon.ts';

// `npm run test:wiring` sends 200 photos; `npm test` a few.
const photoCount = Number(process.env.UNMASK_WIRING_PHOTOS ?? 4);
const minutes = 60_000;

const project = fileURLToPath(new URL('../..', import.meta.url));
const example = (path: string) => readFile(`${project}/examples/${path}.jpg`);
const masked = 'photos/frontal';
const bare = 'references/frontal';
const lines: string[] = [];
/** Of one masked photo that came alone. */
const linesAlone: string[] = [];
let cloud: Rehearsal;
let xray: XrayDaemon;

beforeAll(async () => {
  const folder = await bundleImage({ folder: `${project}/dist/wiring` });
  xray = await openXrayDaemon();
  cloud = await rehearse({
    template: synthesise().template().toJSON(),
    start: (plan, environment) =>
      startFunctionProcesses({
        plan,
        environment: {
          ...environment,
          MODELS_FOLDER: `${folder}/models`,
          ORT_DISABLE_TELEMETRY: '1',
          // What Powertools and X-Ray take for a sign of Lambda.
          AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
          LAMBDA_TASK_ROOT: folder,
          POWERTOOLS_TRACE_ENABLED: 'true',
          AWS_XRAY_DAEMON_ADDRESS: xray.address,
        },
        folder,
        // Two meet each other; one loads faster.
        most: photoCount > 10 ? 2 : 1,
        onLine: (line) => lines.push(line),
      }),
  });
}, 5 * minutes);

afterAll(async () => {
  await cloud.close();
  await xray.close();
});

const recordOf = async (key: string): Promise<MetricsRecord> => {
  const stored = await cloud.results.get(`metrics/${key}.json`);
  if (!stored)
    throw new Error(
      `Expected a record of ${key}; functions said: ${cloud.errors.join('; ')} ${cloud.refused.join('; ')}`,
    );
  return parseMetricsRecord(stored.bytes);
};
const manifest = async () =>
  parseManifest((await cloud.results.get('manifest/manifest.json'))?.bytes ?? new Uint8Array());

test(
  'every upload is followed to the manifest, and the counts add up',
  async () => {
    const kinds = [
      [masked, 'unmasked'],
      [bare, 'bare'],
      ['photos/no-face', 'no-face'],
      ['photos/rotated', 'unmasked'],
    ] as const;
    const photos = await Promise.all(kinds.map(([name]) => example(name)));
    const expected = { unmasked: 0, bare: 0, 'no-face': 0, rejected: 1, failed: 0 };
    await cloud.upload('photos/notes.txt', new TextEncoder().encode('not a photo'));
    await cloud.upload('photos/holiday/', new Uint8Array());
    for (let index = 0; index < photoCount; index++) {
      const [, status] = kinds[index % kinds.length] ?? [masked, 'unmasked'];
      const bytes = photos[index % kinds.length] ?? new Uint8Array();
      await cloud.upload(`photos/holiday + more/${index} ü.jpg`, bytes);
      expected[status]++;
    }
    await cloud.settled();

    expect(cloud.refused).toEqual([]);
    expect(cloud.errors).toEqual([]);
    const { counts, aggregates } = await manifest();
    expect(counts).toEqual(expected);
    expect(aggregates.photos).toBe(photoCount + 1);
    const record = await recordOf('holiday + more/0 ü.jpg');
    expect(record).toMatchObject({ status: 'unmasked', unmasked: { key: 'unmasked/holiday + more/0 ü.jpg' } });
    expect(record.photo.versionId).toBeDefined();
    expect((await cloud.results.get('unmasked/holiday + more/0 ü.jpg'))?.bytes.length).toBe(record.unmasked?.bytes);
  },
  30 * minutes,
);

test(
  'a masked photo makes the requests that its price counts',
  async () => {
    const before = { ...cloud.requests };
    const linesBefore = lines.length;
    await cloud.upload('photos/alone.jpg', await example(masked));
    await cloud.settled();
    linesAlone.push(...lines.slice(linesBefore));
    const made = Object.entries(cloud.requests).flatMap(([kind, count]) => {
      const more = count - (before[kind] ?? 0);
      return more === 0 || kind.includes('manifest/') ? [] : [[kind, more] as const];
    });
    const sum = (action: RegExp) => made.reduce((total, [kind, count]) => total + (action.test(kind) ? count : 0), 0);
    // The upload itself is a write too.
    expect(sum(/SendMessage/), JSON.stringify(made)).toBe(1);
    expect(1 + sum(/PutObject|ListBucket/), JSON.stringify(made)).toBe(requestsPerPhoto.s3Writes);
    expect(sum(/GetObject/), JSON.stringify(made)).toBe(requestsPerPhoto.s3Reads);
  },
  5 * minutes,
);

test(
  'a name as long as S3 allows has its record and its unmasked photo too',
  async () => {
    const name = `${'ü'.repeat(506)}_.jpg`;
    expect(Buffer.byteLength(`photos/${name}`)).toBe(1024);
    await cloud.upload(`photos/${name}`, await example(masked));
    await cloud.settled();
    expect(cloud.refused).toEqual([]);
    const stored = await cloud.results.get(metricsKey(`photos/${name}`));
    const record = parseMetricsRecord(stored?.bytes ?? new Uint8Array());
    expect(record).toMatchObject({ status: 'unmasked', photo: { key: `photos/${name}` } });
    expect(await cloud.results.head(record.unmasked?.key ?? '')).toMatchObject({ bytes: record.unmasked?.bytes });
    expect(await cloud.call('reconcile.handler', { olderThanMinutes: 0 })).toEqual({ uploads: 0 });
  },
  5 * minutes,
);

test(
  'a newer upload of a name takes the place of the older, photo and record',
  async () => {
    await cloud.upload('photos/again.jpg', await example(masked));
    await cloud.upload('photos/again.jpg', await example(bare));
    await cloud.settled();
    expect((await recordOf('again.jpg')).status).toBe('bare');
    expect(await cloud.results.head('unmasked/again.jpg')).toBeUndefined();
  },
  5 * minutes,
);

test(
  'an upload whose event was lost is found by the reconciler',
  async () => {
    cloud.loseUploads(true);
    await cloud.upload('photos/lost.jpg', await example(bare));
    await cloud.settled();
    cloud.loseUploads(false);
    expect(await cloud.results.head('metrics/lost.jpg.json')).toBeUndefined();
    // An hour is left for jobs under way, which have no record either.
    expect(await cloud.call('reconcile.handler', {})).toEqual({ uploads: 0 });
    expect(await cloud.call('reconcile.handler', { olderThanMinutes: 0 })).toEqual({ uploads: 1 });
    await cloud.settled();
    expect((await recordOf('lost.jpg')).status).toBe('bare');
  },
  5 * minutes,
);

test(
  'what fails for good is counted as failed, and a redrive mends it when the cause is gone',
  async () => {
    cloud.breakFor('check.handler', 'photos/unchecked.jpg');
    await cloud.upload('photos/unchecked.jpg', await example(bare));
    await cloud.settled();
    expect(await recordOf('unchecked.jpg')).toMatchObject({ status: 'failed', reason: { code: 'internal' } });

    cloud.breakFor('unmask.handler', 'photos/unread.jpg');
    await cloud.upload('photos/unread.jpg', await example(masked));
    await cloud.settled();
    expect(await recordOf('unread.jpg')).toMatchObject({ status: 'failed', reason: { code: 'dead-letter' } });
    expect((await manifest()).counts.failed).toBe(2);

    cloud.breakFor('check.handler', undefined);
    cloud.breakFor('unmask.handler', undefined);
    expect(await cloud.call('reconcile.handler', { failed: true })).toEqual({ uploads: 2 });
    await cloud.settled();
    expect((await recordOf('unchecked.jpg')).status).toBe('bare');
    expect((await recordOf('unread.jpg')).status).toBe('unmasked');
    expect((await manifest()).counts.failed).toBe(0);
    expect(cloud.refused).toEqual([]);
  },
  5 * minutes,
);

test(
  'one trace reaches from the upload to the record, and is found by the job',
  async () => {
    await cloud.upload('photos/followed.jpg', await example(masked));
    await cloud.settled();
    const { jobId } = await recordOf('followed.jpg');
    const [check, unmask] = await xray.until(2, ({ annotations }) => annotations.jobId === jobId);
    expect(check).toMatchObject({ type: 'subsegment' });
    expect(unmask).toMatchObject({ name: 'unmask', trace_id: check?.trace_id });
    const requestsOf = (parent?: string) =>
      xray.documents
        .filter(({ parent_id }) => parent_id === parent)
        .map(({ name, aws }) => `${name} ${aws?.operation}`)
        .sort();
    expect(requestsOf(check?.id)).toEqual(['S3 GetObject', 'S3 GetObject', 'SQS SendMessageBatch']);
    expect(requestsOf(unmask?.id)).toEqual([
      ...['S3 GetObject', 'S3 GetObject', 'S3 GetObject', 'S3 HeadObject'],
      ...['S3 PutObject', 'S3 PutObject'],
    ]);
    const sent = xray.documents.find(({ name, parent_id }) => name === 'SQS' && parent_id === check?.id);
    expect(unmask?.parent_id).toBe(sent?.id);
  },
  5 * minutes,
);

test('a masked photo logs no more than its price counts', () => {
  const bytesOf = (pattern: RegExp) =>
    linesAlone
      .flatMap((text) => text.split('\n'))
      .filter((line) => pattern.test(line))
      .reduce((sum, line) => sum + Buffer.byteLength(line), 0);
  const photo = bytesOf(/"message":"(job|photo)"/);
  const metrics = bytesOf(/"PhotosUnmasked":/);
  // A batch of four has the metrics' names once and their values four times: less than double.
  expect(2 * metrics).toBeLessThan(logBytes.batch);
  expect(bytesOf(/"message":"manifest"|"ManifestLagMs":/)).toBeLessThan(logBytes.move);
  expect(photo).toBeGreaterThan(1000);
  expect(photo).toBeLessThan(logBytes.photo);
});

test('traces hold no keys', () => {
  expect(xray.documents.length).toBeGreaterThan(10);
  expect(JSON.stringify(xray.documents)).not.toMatch(/holiday|again\.jpg|unread|followed|\.jpg/);
});

test('logs hold no keys', () => {
  expect(lines.join('\n')).toContain('"status":"unmasked"');
  expect(lines.join('\n')).not.toMatch(/holiday|again\.jpg|unread/);
});
