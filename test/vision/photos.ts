import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';
import type { PhotoFormat } from '#pipeline/ports.ts';

/** Photos made in code. */

/** Bytes that look random and are always the same. */
export function noise(length: number, seed = 1): Uint8Array {
  let state = seed * 2654435761;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state >>> 24;
  });
}

type PhotoOptions = {
  readonly format: PhotoFormat;
  readonly width?: number;
  readonly height?: number;
  readonly channels?: 1 | 2 | 3 | 4;
  readonly encoder?: object;
};

/** A photo of noise: lossless by default where the format can. */
export async function photo({
  format,
  width = 64,
  height = 48,
  channels = 3,
  encoder = {},
}: PhotoOptions): Promise<Buffer> {
  const image = sharp(noise(width * height * channels), { raw: { width, height, channels } });
  const lossless = {
    tiff: { compression: 'lzw' },
    webp: { lossless: true, exact: true },
    jpeg: {},
    png: {},
    avif: { effort: 0 },
  };
  return await image
    .toColourspace(channels < 3 ? 'b-w' : 'srgb')
    [format]({ ...lossless[format], ...encoder })
    .toBuffer();
}

/** A PNG typed by hand: 8-bit RGB, black unless the compressed scan lines are given. */
export function pngOf({ width, height, pixels }: { width: number; height: number; pixels?: Uint8Array }): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    pngChunk('IHDR', header),
    pngChunk('IDAT', pixels ?? deflateSync(Buffer.alloc(100))),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

export function pngChunk(name: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, checksum]);
}

/** The first box of an ISO media file. */
export function isoFile(major: string, ...compatible: readonly string[]): Buffer {
  const body = Buffer.from(`ftyp${major}\0\0\0\0${compatible.join('')}`, 'latin1');
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length + 4);
  return Buffer.concat([length, body, Buffer.alloc(64)]);
}
