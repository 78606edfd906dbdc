import type { PhotoFormat } from '#pipeline/ports.ts';
import type { Reason } from '#pipeline/reason.ts';

export type Sniffed = { readonly format: PhotoFormat; readonly rejected?: never } | { readonly rejected: Reason };

/**
 * What the bytes are by their first kilobytes; the file's name plays no part. Only the five formats that come back `format` may reach
 * sharp: SVG and PDF are programs to a renderer, and other containers would be read by their thumbnail or first frame.
 */
export function sniff(bytes: Uint8Array): Sniffed {
  if (bytes.length === 0) {
    return reject('empty', 'The file is empty. Upload it again: the first upload may have been cut off.');
  }
  if (startsWith(bytes, [0xff, 0xd8, 0xff])) {
    return { format: 'jpeg' };
  }
  if (startsWith(bytes, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])) {
    return { format: 'png' };
  }
  if (latin1(bytes, 0, 4) === 'RIFF' && latin1(bytes, 8, 12) === 'WEBP') {
    return { format: 'webp' };
  }
  if (isTiff(bytes)) {
    return latin1(bytes, 8, 10) === 'CR'
      ? reject('unsupported-format', 'This is a Canon raw file. Develop it to JPEG, TIFF or PNG first.')
      : { format: 'tiff' };
  }
  if (latin1(bytes, 4, 8) === 'ftyp') {
    return sniffIsoMedia(bytes);
  }
  if (/^GIF8[79]a/.test(latin1(bytes, 0, 6))) {
    return countGifFrames(bytes) > 1
      ? reject(
          'animated',
          'This is an animated GIF; one photo is expected. Save the frame that you want as PNG or JPEG.',
        )
      : reject('unsupported-format', 'GIF is not read. Save the picture as PNG or JPEG.');
  }
  return sniffOther(bytes);
}

/** Formats that are recognised only to say what they are. */
function sniffOther(bytes: Uint8Array): Sniffed {
  const convert = 'Convert it to JPEG or PNG.';
  if (startsWith(bytes, [0xff, 0x0a]) || latin1(bytes, 4, 8) === 'JXL ') {
    return reject('unsupported-format', `JPEG XL is not read. ${convert}`);
  }
  if (startsWith(bytes, [0xff, 0x4f, 0xff, 0x51]) || latin1(bytes, 4, 8) === 'jP  ') {
    return reject('unsupported-format', `JPEG 2000 is not read. ${convert}`);
  }
  if (latin1(bytes, 0, 4) === '8BPS') {
    return reject('unsupported-format', `Photoshop documents are not read. ${convert}`);
  }
  if (latin1(bytes, 0, 2) === 'BM' && bytes.length >= 26 && littleEndian32(bytes, 2) <= bytes.length + 4) {
    return reject('unsupported-format', `BMP is not read. ${convert}`);
  }
  // Acrobat accepts the signature anywhere in the first kilobyte.
  if (latin1(bytes, 0, 1024).includes('%PDF-')) {
    return reject('unsupported-format', 'This is a PDF document, not a photo. Export the page as JPEG or PNG.');
  }
  // Every second byte of UTF-16 markup is zero.
  if (/<svg[\s>]|<!doctype svg/i.test(latin1(bytes, 0, 4096).replaceAll('\0', ''))) {
    return reject('unsupported-format', 'This is an SVG drawing, not a photo. Export it as PNG.');
  }
  return reject('not-an-image', 'The file is not a photo in a format that is read: JPEG, PNG, WebP, TIFF or AVIF.');
}

/** ISO base media: AVIF, HEIC, JPEG XL and films share the container; the brands tell (ISO/IEC 23008-12, section 10). */
function sniffIsoMedia(bytes: Uint8Array): Sniffed {
  const end = Math.min(bigEndian32(bytes, 0), bytes.length, 256);
  const major = latin1(bytes, 8, 12);
  const brands = new Set([major]);
  for (let at = 16; at + 4 <= end; at += 4) {
    brands.add(latin1(bytes, at, at + 4));
  }
  if (major === 'avis') {
    return reject('animated', 'This is an animated AVIF; one photo is expected. Save the frame that you want as JPEG.');
  }
  const heic = ['heic', 'heix', 'heim', 'heis', 'hevc', 'hevx', 'hevm', 'hevs'];
  if (heic.includes(major)) {
    return rejectHeic();
  }
  if (brands.has('avif')) {
    return { format: 'avif' };
  }
  if (major === 'mif1' || major === 'msf1' || heic.some((brand) => brands.has(brand))) {
    return rejectHeic();
  }
  return reject('unsupported-format', 'This is a film or another container, not a photo. Save a frame as JPEG.');
}

function rejectHeic(): Sniffed {
  return reject(
    'heic',
    'HEIC/HEIF photos are not read. Convert it to JPEG (iPhone: Settings, Camera, Formats, Most Compatible).',
  );
}

function isTiff(bytes: Uint8Array): boolean {
  const head = [0x49, 0x49, 0x4d, 0x4d].map((byte, index) => byte === bytes[index % 2]);
  const little = head[0] && head[1];
  const big = head[2] && head[3];
  const version = little ? bytes[2]! | (bytes[3]! << 8) : (bytes[2]! << 8) | bytes[3]!;
  return Boolean(little || big) && (version === 42 || version === 43);
}

/** Walks the blocks of a GIF (GIF89a specification, section 17 and on); stops at damage. */
function countGifFrames(bytes: Uint8Array): number {
  const colourTableBytes = (flags: number) => (flags & 0x80 ? 3 << ((flags & 7) + 1) : 0);
  let at = 13 + colourTableBytes(bytes[10] ?? 0);
  let frames = 0;
  while (at < bytes.length) {
    if (bytes[at] === 0x2c) {
      frames += 1;
      at += 11 + colourTableBytes(bytes[at + 9] ?? 0);
    } else if (bytes[at] === 0x21) {
      at += 2;
    } else {
      break;
    }
    while (at < bytes.length && bytes[at] !== 0) {
      at += bytes[at]! + 1;
    }
    at += 1;
  }
  return frames;
}

function startsWith(bytes: Uint8Array, signature: readonly number[]): boolean {
  return signature.every((byte, index) => bytes[index] === byte);
}

export function latin1(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1', from, Math.min(to, bytes.length));
}

export function bigEndian32(bytes: Uint8Array, at: number): number {
  return at + 4 <= bytes.length ? new DataView(bytes.buffer, bytes.byteOffset).getUint32(at) : 0;
}

export function littleEndian32(bytes: Uint8Array, at: number): number {
  return at + 4 <= bytes.length ? new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true) : 0;
}

function reject(code: Reason['code'], message: string): Sniffed {
  return { rejected: { code, message } };
}
