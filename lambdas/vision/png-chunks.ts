import { bigEndian32, latin1 } from './sniff.ts';

/** Number of frames of a PNG: more than one in an animated PNG (APNG), which libpng reads as its first frame. */
export function countPngFrames(png: Uint8Array): number {
  const control = chunksBeforePixels(png).find(({ name }) => name === 'acTL');
  return control ? bigEndian32(control.bytes, 8) : 1;
}

/**
 * The chunks that say what the colours mean where no ICC profile does (PNG third edition, section 11.3.2). libvips reads pixels past them and
 * does not write them, which would change how the photo is shown. Empty when there is a profile: it wins over them.
 */
export function colourChunks(png: Uint8Array): readonly Uint8Array[] {
  const chunks = chunksBeforePixels(png);
  return chunks.some(({ name }) => name === 'iCCP')
    ? []
    : chunks.filter(({ name }) => ['cICP', 'sRGB', 'gAMA', 'cHRM'].includes(name)).map(({ bytes }) => bytes);
}

/** The PNG with the chunks put right behind its header chunk. */
export function insertChunks(png: Uint8Array, chunks: readonly Uint8Array[]): Uint8Array {
  const headerEnd = 8 + 25; // signature, IHDR
  return chunks.length === 0 ? png : Buffer.concat([png.subarray(0, headerEnd), ...chunks, png.subarray(headerEnd)]);
}

/** Whole chunks (length, name, data, checksum) before the first IDAT. */
function chunksBeforePixels(png: Uint8Array): { readonly name: string; readonly bytes: Uint8Array }[] {
  const chunks = [];
  for (let at = 8; at + 12 <= png.length; ) {
    const name = latin1(png, at + 4, at + 8);
    if (name === 'IDAT') {
      break;
    }
    const end = at + 12 + bigEndian32(png, at);
    chunks.push({ name, bytes: png.subarray(at, end) });
    at = end;
  }
  return chunks;
}
