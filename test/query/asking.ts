import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFolderStore } from '#local/folder-store.ts';
import { catalogue } from '#pipeline/catalogue.ts';
import type { Segment } from '#pipeline/manifest.ts';
import type { FaceRecord, MetricsRecord } from '#pipeline/metrics-record.ts';
import { ask } from '../../scripts/query/ask.ts';
import { openTables } from '../../scripts/query/open-tables.ts';
import { segmentFiles } from '../../scripts/query/segment-files.ts';
import { jsonText } from '../../scripts/query/value-text.ts';
import { createTestClock, recordOf } from '../pipeline/factories.ts';

export const newFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'unmask-query-'));

/** A results folder with a manifest of the records: one segment for each list. */
export async function catalogued(...lists: readonly (readonly MetricsRecord[])[]) {
  const folder = await newFolder();
  const results = createFolderStore(folder);
  let segments: readonly Segment[] = [];
  for (const records of lists) {
    segments = (await catalogue(records, { results, clock: createTestClock() })).segments;
  }
  const cache = await newFolder();
  const files = () => segmentFiles(segments, { results, folder, cache });
  return { folder, results, segments, cache, files };
}

type Rows = readonly Readonly<Record<string, unknown>>[];

/** The answer to a question about the records, each list a segment. */
export async function answered(sql: string, ...lists: readonly (readonly MetricsRecord[])[]): Promise<Rows> {
  const tables = await openTables(await catalogued(...lists));
  try {
    return await rowsOf(await ask(tables.connection, sql));
  } finally {
    tables.close();
  }
}

export async function rowsOf({ columns, rows }: Awaited<ReturnType<typeof ask>>): Promise<Rows> {
  const all: Record<string, unknown>[] = [];
  for await (const some of rows) {
    for (const row of some) {
      all.push(Object.fromEntries(columns.map(({ name }, index) => [name, JSON.parse(jsonText(row[index] ?? null))])));
    }
  }
  return all;
}

export const photo = (path: string, changes: Partial<MetricsRecord['photo']> = {}): MetricsRecord['photo'] => ({
  ...recordOf().photo,
  key: `photos/${path}`,
  ...changes,
});

export const face = (changes: Partial<FaceRecord> = {}): FaceRecord => ({
  box: { x: 1, y: 2, width: 30, height: 40 },
  score: 0.9,
  masked: false,
  maskProbability: 0.1,
  rollDegrees: -3,
  maskCoverage: null,
  noiseSigma: null,
  denoised: false,
  quality: null,
  seam: null,
  ...changes,
});

export const unmaskedFace = (regionPsnr: number | null, seam: number): FaceRecord =>
  face({
    masked: true,
    maskProbability: 0.99,
    maskCoverage: 0.4,
    noiseSigma: 2,
    seam,
    quality:
      regionPsnr === null
        ? null
        : { psnr: regionPsnr + 8, ssim: 0.9, regionPsnr, regionSsim: regionPsnr / 30, psnrEq8: 40 },
  });
