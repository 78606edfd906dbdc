import sharp from 'sharp';
import type { Manifest } from '#pipeline/manifest.ts';
import { summarise } from '#pipeline/manifest.ts';
import type { FaceRecord, MetricsRecord, ReasonCode, Status } from '#pipeline/metrics-record.ts';
import { unmaskedKey } from '#pipeline/photo.ts';
import type { Store } from '#pipeline/ports.ts';

/** Made-up people: ovals with eyes and a mouth, or a mask over it. Nobody is in these pictures. */

export const generatedAt = new Date('2026-11-23T20:31:00Z');

type Wanted = {
  readonly path: string;
  readonly status?: Status;
  readonly faces?: readonly FaceRecord[];
  readonly reason?: MetricsRecord['reason'];
  readonly etag?: string;
  readonly createdAt?: string;
  readonly timings?: MetricsRecord['timings'];
  readonly size?: { readonly width: number; readonly height: number } | null;
};

const timed = { inspectMs: 1, decodeMs: 20, localiseMs: 40, unmaskMs: 50, pasteMs: 9, encodeMs: 10, totalMs: 130 };

export function madeUpRecord({
  path,
  status = 'unmasked',
  faces = status === 'unmasked' ? [madeUpFace()] : [],
  reason,
  etag = `etag of ${path}`,
  createdAt = '2026-11-23T20:00:00.000Z',
  timings = timed,
  size = { width: 480, height: 360 },
}: Wanted): MetricsRecord {
  const key = `photos/${path}`;
  return {
    schemaVersion: 1,
    jobId: 'a'.repeat(64),
    status,
    ...(reason && { reason }),
    photo: {
      key,
      etag,
      bytes: 123_456,
      width: size?.width ?? null,
      height: size?.height ?? null,
      format: size ? 'jpeg' : null,
    },
    ...(status === 'unmasked' && { unmasked: { key: unmaskedKey(key), bytes: 120_000, sha256: 'b'.repeat(64) } }),
    faces: [...faces],
    model: { name: 'rescnn', version: '0.1.0', sha256: 'c'.repeat(64) },
    timings,
    cost: null,
    createdAt,
  };
}

export function madeUpFace(changes: Partial<FaceRecord> = {}): FaceRecord {
  return {
    box: { x: 150, y: 80, width: 150, height: 190 },
    score: 0.98,
    masked: true,
    maskProbability: 0.99,
    rollDegrees: 2,
    maskCoverage: 0.31,
    noiseSigma: 1.2,
    denoised: false,
    quality: null,
    seam: 1.04,
    ...changes,
  };
}

export const madeUpQuality = (regionPsnr: number, regionSsim: number): NonNullable<FaceRecord['quality']> => ({
  psnr: regionPsnr + 9.1,
  ssim: 1 - (1 - regionSsim) / 8,
  regionPsnr,
  regionSsim,
  psnrEq8: 61.2,
});

export const manifestOf = (records: readonly MetricsRecord[]): Manifest => ({
  schemaVersion: 1,
  ...summarise(records),
  updatedAt: '2026-11-23T20:30:00.000Z',
  segments: [],
});

/** Deterministic, in 0..1. */
export const chance = (seed: number): number => {
  const wave = Math.sin(seed * 127.1 + 11.7) * 43758.5453;
  return wave - Math.floor(wave);
};

/** A portrait as JPEG: the same person for the same seed, with or without a mask. */
export async function portrait(
  seed: number,
  masked: boolean,
  { width, height } = { width: 480, height: 360 },
): Promise<Uint8Array> {
  const hue = Math.round(360 * chance(seed));
  const skin = `hsl(${18 + 14 * chance(seed + 1)} ${35 + 25 * chance(seed + 2)}% ${38 + 40 * chance(seed + 3)}%)`;
  const mask = `<path d="M150 185 Q225 165 300 185 L290 240 Q225 300 160 240 Z" fill="hsl(${200 + 40 * chance(seed + 4)} 45% 78%)"/><path d="M152 205 H298 M158 225 H292" stroke="#8fb3c9" stroke-width="2"/>`;
  const mouth = `<path d="M222 180 q-12 26 2 30 q8 2 12 -4" fill="none" stroke="#0005" stroke-width="4"/><path d="M195 232 q30 ${10 + 16 * chance(seed + 5)} 60 0 q-30 -8 -60 0" fill="#a33c3c"/>`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 480 360" width="${width}" height="${height}" preserveAspectRatio="none">
<defs><linearGradient id="g" x2="1" y2="1"><stop stop-color="hsl(${hue} 35% 72%)"/><stop offset="1" stop-color="hsl(${(hue + 60) % 360} 40% 42%)"/></linearGradient></defs>
<rect width="480" height="360" fill="url(#g)"/><path d="M90 360 Q225 230 360 360Z" fill="hsl(${(hue + 180) % 360} 30% 35%)"/>
<ellipse cx="225" cy="165" rx="84" ry="112" fill="hsl(${30 * chance(seed + 6)} 30% 22%)"/><ellipse cx="225" cy="178" rx="74" ry="96" fill="${skin}"/>
<g fill="#fff"><ellipse cx="195" cy="160" rx="14" ry="8"/><ellipse cx="255" cy="160" rx="14" ry="8"/></g><g fill="#2b221c"><circle cx="195" cy="160" r="6"/><circle cx="255" cy="160" r="6"/></g>
<g stroke="#2b221c" stroke-width="5" fill="none"><path d="M178 142 q16 -9 32 0 M240 142 q16 -9 32 0"/></g>${masked ? mask : mouth}</svg>`;
  return sharp(Buffer.from(svg)).jpeg({ quality: 90 }).toBuffer();
}

/** A store of these objects, each with the etag `etag of PATH` unless given. Only what the report uses works. */
export function storeOf(objects: Readonly<Record<string, Uint8Array>>): Store & { readonly asked: string[] } {
  const asked: string[] = [];
  const unused = () => Promise.reject(new Error('The report only gets.'));
  return {
    asked,
    async get(key) {
      asked.push(key);
      const bytes = objects[key];
      return bytes && { bytes, etag: `etag of ${key.slice(key.indexOf('/') + 1)}` };
    },
    head: unused,
    put: unused,
    delete: unused,
    // biome-ignore lint/correctness/useYield: nobody lists here.
    async *list() {
      throw new Error('The report only gets.');
    },
  };
}

/** `count` photos of every ending, with references for all: what a big run looks like. */
export function madeUpRun(count: number): readonly MetricsRecord[] {
  return Array.from({ length: count }, (_, index) => {
    const draw = chance(index);
    const path = `holiday ${Math.floor(index / 500) + 1}/IMG_${String(index).padStart(5, '0')}.jpg`;
    const spread = (chance(index + 0.1) + chance(index + 0.2) + chance(index + 0.3)) / 3;
    const total = 60 + 140 * spread;
    const timings = {
      inspectMs: 1,
      decodeMs: total * 0.2,
      localiseMs: total * 0.3,
      unmaskMs: total * 0.35,
      pasteMs: total * 0.05,
      qualityMs: total * 0.04,
      encodeMs: total * 0.06,
      totalMs: total,
    };
    const common = { path, timings, createdAt: new Date(Date.UTC(2026, 10, 23, 20, 0, index % 1800)).toISOString() };
    if (draw < 0.03)
      return rejected(common, 'heic', 'HEIC is not supported; convert it to JPEG, for instance with `sips`.');
    if (draw < 0.05) return rejected(common, 'truncated', 'The file ends early: 64 % of the rows could be read.');
    if (draw < 0.055)
      return {
        ...rejected(common, 'dead-letter', 'Processing stopped 5 times without an answer.'),
        status: 'failed' as const,
      };
    if (draw < 0.1)
      return madeUpRecord({
        ...common,
        status: 'no-face',
        reason: {
          code: 'no-face',
          message: 'No face was found; small, blurred or strongly turned faces can be missed.',
        },
      });
    if (draw < 0.22)
      return madeUpRecord({
        ...common,
        status: 'bare',
        faces: [madeUpFace({ masked: false, seam: null, maskProbability: 0.01, maskCoverage: null })],
      });
    return madeUpRecord({
      ...common,
      faces: [
        madeUpFace({
          seam: 0.9 + 0.35 * spread,
          noiseSigma: 8 * draw,
          quality: madeUpQuality(20 + 14 * spread, 0.7 + 0.28 * spread),
        }),
      ],
    });
  });
}

const rejected = (common: Pick<Wanted, 'path' | 'createdAt' | 'timings'>, code: ReasonCode, message: string) =>
  madeUpRecord({ ...common, status: 'rejected', reason: { code, message }, size: null, timings: { inspectMs: 1 } });
