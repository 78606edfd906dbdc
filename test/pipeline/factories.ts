import { createHash } from 'node:crypto';
import { createRaster, type Raster } from '#image/raster.ts';
import type { Face } from '#pipeline/face.ts';
import type { MetricsRecord } from '#pipeline/metrics-record.ts';
import type { PhotoReference } from '#pipeline/photo.ts';
import type { Clock, Codec, DecodedPhoto, Denoiser, Detector, Queue, Store, Unmasker } from '#pipeline/ports.ts';
import type { Processing } from '#pipeline/processing.ts';

/** A Store in memory with honest conditions: the contract suite runs against it too. */
export function createMemoryStore(objects: Record<string, string | Uint8Array> = {}): Store & { keys(): string[] } {
  const held = new Map<string, Uint8Array>();
  for (const [key, value] of Object.entries(objects)) held.set(key, bytesOf(value));
  const etag = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
  return {
    keys: () => [...held.keys()].sort(),
    async get(key) {
      const bytes = held.get(key);
      return bytes && { bytes, etag: etag(bytes) };
    },
    async head(key) {
      const bytes = held.get(key);
      return bytes && { bytes: bytes.length, etag: etag(bytes) };
    },
    async put(key, bytes, options) {
      const current = held.get(key);
      const { condition } = options ?? {};
      if (condition && 'ifAbsent' in condition && current) return 'conflict';
      if (condition && 'ifMatch' in condition && (!current || etag(current) !== condition.ifMatch)) return 'conflict';
      held.set(key, bytes);
      return { etag: etag(bytes) };
    },
    async *list(prefix) {
      for (const key of [...held.keys()].sort()) {
        const bytes = held.get(key);
        if (key.startsWith(prefix) && bytes) {
          yield { key, bytes: bytes.length, etag: etag(bytes), lastModified: new Date(0) };
        }
      }
    },
    async delete(key) {
      held.delete(key);
    },
  };
}

export const bytesOf = (value: string | Uint8Array): Uint8Array =>
  typeof value === 'string' ? new TextEncoder().encode(value) : value;

export async function referenceOf(store: Store, key: string): Promise<PhotoReference> {
  const head = await store.head(key);
  if (!head) throw new Error(`Expected ${key} in the store.`);
  return { bucket: 'local', key, etag: head.etag, bytes: head.bytes };
}

const model = (name: string) => ({ name, version: '1.0.0', sha256: name.padEnd(64, '0') });

export const processing: Processing = {
  detector: model('mask-detector'),
  denoiser: model('denoiser'),
  unmasker: model('rescnn'),
  denoise: 'region',
  settings: 'thresholds'.padEnd(64, '0'),
};

/** Ticks one millisecond a look; the date stands still. */
export function createTestClock(date = '2026-11-01T10:20:30.000Z'): Clock & { set(date: string): void } {
  let milliseconds = 0;
  let now = date;
  return {
    set(next) {
      now = next;
    },
    now: () => new Date(now),
    milliseconds: () => milliseconds++,
  };
}

export function createTestQueue(): Queue & { readonly sent: string[] } {
  const sent: string[] = [];
  return {
    sent,
    async send(bodies) {
      sent.push(...bodies);
    },
    receive: async () => [],
    acknowledge: async () => {},
    release: async () => {},
  };
}

/** An upright masked face with 60 px between the eyes, so that its crop is the photo shifted: no rotation, no scale. */
export function faceAt(x: number, y: number, changes: Partial<Face> = {}): Face {
  return {
    box: { x: x - 45, y: y - 50, width: 150, height: 166 },
    eyes: [
      { x, y },
      { x: x + 60, y },
    ],
    score: 0.9,
    maskProbability: 0.99,
    masked: true,
    ...changes,
  };
}

export const plainPhoto = (width: number, height: number, value: number): Raster =>
  createRaster(width, height, 3, new Uint8Array(width * height * 3).fill(value));

/** "Photos" are texts: `photo 300x280 of 100`; everything else is no image. Encoding gives the mean of the pixels back as text. */
export const testCodec: Codec = {
  async inspect(bytes) {
    const decoded = await this.decode(bytes);
    return 'rejected' in decoded ? decoded : { format: 'png', width: decoded.width, height: decoded.height };
  },
  async decode(bytes) {
    const match = /^photo (\d+)x(\d+) of (\d+)$/.exec(new TextDecoder().decode(bytes));
    if (!match) return { rejected: { code: 'not-an-image', message: 'This is no image.' } };
    const [width = 0, height = 0, value = 0] = match.slice(1).map(Number);
    const photo: DecodedPhoto = {
      format: 'png',
      width,
      height,
      raster: plainPhoto(width, height, value),
      encoding: {},
    };
    return photo;
  },
  async encode(raster) {
    const sum = raster.data.reduce((total, value) => total + value, 0);
    return bytesOf(`unmasked ${raster.width}x${raster.height} mean ${(sum / raster.data.length).toFixed(3)}`);
  },
};

export const detectorOf = (faces: readonly Face[]): Detector => ({
  model: processing.detector,
  localise: async () => faces,
});

/** Paints the lower half of the crop's middle: one value, or one for each pixel. */
export const paintingUnmasker = (
  value: number | ((x: number, y: number) => number),
  area: (x: number, y: number) => boolean = inside,
): Unmasker => ({
  model: processing.unmasker,
  async unmask(crop) {
    const region = new Float32Array(crop.width * crop.height).map((_, index) =>
      area(index % crop.width, Math.floor(index / crop.width)) ? 1 : 0,
    );
    const paint = typeof value === 'number' ? () => value : value;
    const data = crop.data.map((old, index) => {
      const pixel = Math.floor(index / 3);
      return region[pixel] === 1 ? paint(pixel % crop.width, Math.floor(pixel / crop.width)) : old;
    });
    return {
      unmasked: createRaster(crop.width, crop.height, 3, data),
      region: { width: crop.width, height: crop.height, data: region },
    };
  },
});

const inside = (x: number, y: number): boolean => x >= 80 && x < 176 && y >= 140 && y < 220;

export const unusedDenoiser: Denoiser = {
  model: processing.denoiser,
  sigmaThreshold: 4,
  denoise: async () => {
    throw new Error('The photo is clean: the denoiser must not run.');
  },
};

export function recordOf(changes: Partial<MetricsRecord> = {}): MetricsRecord {
  return {
    schemaVersion: 1,
    jobId: 'a'.repeat(64),
    status: 'bare',
    photo: { key: 'photos/anna.png', etag: 'e1', bytes: 10, width: 300, height: 280, format: 'png' },
    faces: [],
    model: processing.unmasker,
    timings: { totalMs: 12 },
    cost: null,
    createdAt: '2026-11-01T10:20:30.000Z',
    ...changes,
  };
}
