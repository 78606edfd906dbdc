import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGzip } from 'node:zlib';
import { type Manifest, manifestKey, type Segment } from '#pipeline/manifest.ts';
import type { FaceRecord, MetricsRecord, ReasonCode, Status } from '#pipeline/metrics-record.ts';

export type MadeUp = {
  readonly records: number;
  /** Records of the large folded segment; the others come in segments of 1,000, as a busy stack writes them. Default 97 %. */
  readonly folded?: number;
};

/**
 * A results folder with a manifest of made-up records and nothing else, to measure queries with: one segment as folding leaves it, and
 * small ones after it. One photo in fifty is there twice, the second time unmasked anew. Aggregates are left empty: no query reads them.
 */
export async function writeMadeUpManifest(folder: string, { records, folded }: MadeUp): Promise<Manifest> {
  const first = folded ?? Math.ceil(records * 0.97);
  const segments: Segment[] = [];
  for (let start = 0; start < records; ) {
    const end = Math.min(records, start === 0 ? first : start + 1000);
    segments.push(await writeSegment(folder, start, end));
    start = end;
  }
  const manifest: Manifest = {
    schemaVersion: 1,
    counts: { unmasked: 0, bare: 0, 'no-face': 0, rejected: 0, failed: 0 },
    updatedAt: dateOf(records),
    segments,
    aggregates: {
      photos: 0,
      faces: 0,
      facesUnmasked: 0,
      meanPsnr: null,
      meanSsim: null,
      meanRegionPsnr: null,
      meanRegionSsim: null,
      meanTotalMs: null,
    },
  };
  await mkdir(join(folder, 'manifest'), { recursive: true });
  await writeFile(join(folder, manifestKey), `${JSON.stringify(manifest, null, 2)}\n`);
  return manifest;
}

async function writeSegment(folder: string, start: number, end: number): Promise<Segment> {
  const key = `manifest/dt=2026-11-20/hr=10/${String(start).padStart(16, '0')}.ndjson.gz`;
  const hash = createHash('sha256');
  await mkdir(dirname(join(folder, key)), { recursive: true });
  await pipeline(
    Readable.from(linesOf(start, end)),
    createGzip({ level: constants.Z_BEST_SPEED }),
    async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        hash.update(chunk);
        yield chunk;
      }
    },
    createWriteStream(join(folder, key)),
  );
  return { key, sha256: hash.digest('hex'), records: end - start };
}

function* linesOf(start: number, end: number): Generator<string> {
  let text = '';
  for (let index = start; index < end; index++) {
    text += `${JSON.stringify(madeUpRecord(index))}\n`;
    if (text.length > 1 << 18) {
      yield text;
      text = '';
    }
  }
  yield text;
}

const every = 50;

/** The same index gives the same record. */
export function madeUpRecord(index: number): MetricsRecord {
  const again = index % every === every - 1;
  const photo = again ? index - 1 : index;
  const draw = fraction(photo, 1);
  const status: Status =
    draw < 0.7 ? 'unmasked' : draw < 0.9 ? 'bare' : draw < 0.97 ? 'no-face' : draw < 0.999 ? 'rejected' : 'failed';
  const path = `camera-${photo % 97}/2026/11/IMG_${String(photo).padStart(7, '0')}.jpg`;
  const faces = status === 'unmasked' || status === 'bare' ? 1 + Math.floor(3 * fraction(photo, 2) ** 3) : 0;
  const reason: ReasonCode | undefined =
    status === 'rejected' ? 'truncated' : status === 'failed' ? 'dead-letter' : undefined;
  return {
    schemaVersion: 1,
    jobId: hexOf(index, 64),
    status,
    ...(reason && { reason: { code: reason, message: 'The file ends early.' } }),
    photo: {
      key: `photos/${path}`,
      versionId: hexOf(index + 0.5, 32),
      etag: hexOf(photo, 32),
      bytes: 200_000 + Math.floor(3e6 * fraction(photo, 3)),
      width: 1600,
      height: 1200,
      format: 'jpeg',
    },
    ...(status === 'unmasked' && {
      unmasked: { key: `unmasked/${path}`, bytes: 190_000, sha256: hexOf(-index, 64) },
    }),
    faces: Array.from({ length: faces }, (_, face) => madeUpFace(photo + face / 8, status === 'unmasked')),
    model: { name: 'rescnn', version: '1.0.0', sha256: '0'.repeat(64) },
    timings: {
      inspectMs: 0.4,
      decodeMs: 21.25,
      localiseMs: 60 + Math.round(30 * fraction(photo, 4)),
      unmaskMs: 46.5,
      pasteMs: 20.2,
      encodeMs: 25.75,
      totalMs: 170 + Math.round(100 * fraction(photo, 5)),
    },
    cost: { usd: 0.0000121 },
    createdAt: dateOf(index),
  };
}

function madeUpFace(seed: number, unmasked: boolean): FaceRecord {
  return {
    box: { x: 500 * fraction(seed, 6), y: 400 * fraction(seed, 7), width: 180.5, height: 220.25 },
    score: 0.6 + 0.4 * fraction(seed, 8),
    masked: unmasked,
    maskProbability: unmasked ? 0.99 : 0.01,
    rollDegrees: 40 * (fraction(seed, 9) - 0.5),
    maskCoverage: unmasked ? 0.3 + 0.2 * fraction(seed, 10) : null,
    noiseSigma: unmasked ? 8 * fraction(seed, 11) : null,
    denoised: false,
    quality: null,
    seam: unmasked ? 0.8 + fraction(seed, 12) : null,
  };
}

/** From 1 November 2026, a photo every two seconds. */
const dateOf = (index: number): string => new Date(Date.UTC(2026, 10, 1) + index * 2000).toISOString();

/** 0..1, the same for the same numbers, scattered. */
function fraction(seed: number, salt: number): number {
  const value = Math.sin(seed * 12.9898 + salt * 78.233) * 43758.5453;
  return value - Math.floor(value);
}

/** As incompressible as a hash, which is what counts for a segment's size. */
function hexOf(seed: number, length: number): string {
  let text = '';
  for (let salt = 20; text.length < length; salt++)
    text += Math.floor(fraction(seed, salt) * 2 ** 32)
      .toString(16)
      .padStart(8, '0');
  return text.slice(0, length);
}
