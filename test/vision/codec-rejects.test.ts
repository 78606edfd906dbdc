import { deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { createCodec } from '#vision/codec.ts';
import { isoFile, noise, photo, pngChunk, pngOf } from './photos.ts';

const codec = createCodec();

/** Both doors must say the same. */
async function reasonOf(bytes: Uint8Array, tools = codec) {
  const decoded = await tools.decode(bytes);
  return 'rejected' in decoded ? decoded.rejected : undefined;
}

async function headerReasonOf(bytes: Uint8Array, tools = codec) {
  const header = await tools.inspect(bytes);
  return 'rejected' in header ? header.rejected : undefined;
}

describe('what is no photo', () => {
  it('rejects an empty file as empty', async () => {
    expect(await headerReasonOf(new Uint8Array())).toMatchObject({ code: 'empty' });
  });

  it.each([
    ['text', Buffer.from('hello, this is not a photo')],
    ['one byte', Buffer.from([0xff])],
    ['zeros', Buffer.alloc(5000)],
    ['random bytes', Buffer.from(noise(5000))],
    ['gzip, as SVGZ is', Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0])],
  ])('rejects %s as not an image', async (_, bytes) => {
    expect(await headerReasonOf(bytes)).toMatchObject({ code: 'not-an-image' });
  });

  it.each([
    ['SVG', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="99" height="99"><rect/></svg>'), /SVG.*PNG/],
    [
      'SVG behind an XML declaration and a comment',
      Buffer.from('\uFEFF<?xml version="1.0"?><!-- a --><svg></svg>'),
      /SVG/,
    ],
    ['SVG in UTF-16', Buffer.from('\uFEFF<svg width="9"></svg>', 'utf16le'), /SVG/],
    ['PDF', Buffer.from('%PDF-1.7\n%\xe2\xe3\n1 0 obj\n', 'latin1'), /PDF.*JPEG/],
    ['PDF behind a header of its own', Buffer.from(`${'x'.repeat(500)}%PDF-1.4`), /PDF/],
    ['BMP', Buffer.concat([Buffer.from('BM'), Buffer.from([60, 0, 0, 0]), Buffer.alloc(54)]), /BMP.*JPEG/],
    ['Photoshop', Buffer.from('8BPS\0\x01\0\0\0\0\0\0'), /Photoshop/],
    ['JPEG XL', Buffer.from([0xff, 0x0a, 0, 0]), /JPEG XL/],
    ['JPEG 2000', Buffer.from([0, 0, 0, 12, 0x6a, 0x50, 0x20, 0x20]), /JPEG 2000/],
    ['a film', isoFile('mp42', 'isom'), /film/],
    ['Canon raw', Buffer.from('II*\0\x10\0\0\0CR\x02\0'), /raw/],
  ])('rejects %s as an unsupported format and says what to do', async (_, bytes, sentence) => {
    expect(await headerReasonOf(bytes)).toEqual({
      code: 'unsupported-format',
      message: expect.stringMatching(sentence),
    });
  });

  it.each([
    ['heic', 'mif1'],
    ['heix', 'mif1'],
    ['mif1', 'heic'],
    ['msf1', 'hevc'],
  ])('rejects HEIC of brand %s and says that it must be converted to JPEG', async (major, compatible) => {
    expect(await headerReasonOf(isoFile(major, compatible))).toEqual({
      code: 'heic',
      message: expect.stringContaining('Convert it to JPEG'),
    });
  });
});

describe('colours that cannot be given back', () => {
  it.each([
    ['Display P3', { primaries: 12, transfer: 13 }],
    ['BT.2020', { primaries: 9, transfer: 1 }],
    ['PQ', { primaries: 1, transfer: 16 }],
  ])('rejects an AVIF in %s without a profile', async (_, codes) => {
    const avif = withColourCodes(await photo({ format: 'avif' }), codes);
    expect(await headerReasonOf(avif)).toMatchObject({ code: 'unsupported-format' });
  });

  it('lets an AVIF through that says sRGB', async () => {
    const avif = withColourCodes(await photo({ format: 'avif' }), { primaries: 1, transfer: 13 });
    expect(await headerReasonOf(avif)).toBeUndefined();
  });

  it('rejects a floating-point Lab TIFF', async () => {
    const tiff = await sharp(await photo({ format: 'png' }))
      .toColourspace('lab')
      .tiff({ compression: 'lzw' })
      .toBuffer();
    expect(await headerReasonOf(tiff)).toMatchObject({ code: 'unsupported-format' });
  });
});

describe('several frames', () => {
  const frames = (format: 'webp' | 'gif' | 'tiff') =>
    sharp([noisePng(1), noisePng(2)].map(pngToBuffer), { join: { animated: true } })
      .toFormat(format)
      .toBuffer();

  it.each(['webp', 'gif', 'tiff'] as const)(
    'rejects a %s of two frames instead of taking the first',
    async (format) => {
      expect(await headerReasonOf(await frames(format))).toMatchObject({ code: 'animated' });
    },
  );

  it('rejects an animated PNG instead of taking the first frame', async () => {
    const control = pngChunk('acTL', Buffer.from([0, 0, 0, 3, 0, 0, 0, 0]));
    const png = noisePng(1);
    const animated = Buffer.concat([png.subarray(0, 33), control, png.subarray(33)]);
    expect(await headerReasonOf(animated)).toEqual({ code: 'animated', message: expect.stringContaining('3 frames') });
  });

  it('rejects an animated AVIF by its brand', async () => {
    expect(await headerReasonOf(isoFile('avis', 'avif'))).toMatchObject({ code: 'animated' });
  });

  it('rejects a still GIF as unsupported', async () => {
    const gif = await sharp(pngToBuffer(noisePng(1)))
      .gif()
      .toBuffer();
    expect(await headerReasonOf(gif)).toEqual({
      code: 'unsupported-format',
      message: expect.stringContaining('Save the picture as PNG or JPEG'),
    });
  });
});

describe('damage', () => {
  it.each(['jpeg', 'png', 'webp', 'tiff', 'avif'] as const)(
    'rejects a %s that is cut off anywhere as truncated',
    async (format) => {
      const bytes = await photo({ format, width: 96, height: 80 });
      for (const share of [0.1, 0.5, 0.9, 0.99]) {
        expect(await reasonOf(bytes.subarray(0, Math.floor(bytes.length * share)))).toMatchObject({
          code: 'truncated',
        });
      }
    },
  );

  it.each([
    ['JPEG', [0xff, 0xd8, 0xff]],
    ['PNG', [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]],
    ['WebP', [...Buffer.from('RIFF\0\0\0\0WEBP')]],
    ['TIFF', [0x49, 0x49, 42, 0]],
  ])('rejects a %s of which only the signature arrived as truncated', async (name, signature) => {
    expect(await reasonOf(Uint8Array.from(signature))).toEqual({
      code: 'truncated',
      message: expect.stringContaining(`The ${name} is cut off or damaged`),
    });
  });

  it.each(['jpeg', 'png', 'webp', 'tiff', 'avif'] as const)(
    'of any kind to a %s is an answer, never a throw',
    async (format) => {
      const bytes = await photo({ format, width: 80, height: 64 });
      const random = noise(900);
      for (let round = 0; round < 40; round += 1) {
        const broken = Buffer.from(bytes);
        for (let index = round * 20; index < round * 20 + 4; index += 1) {
          const place = (random[index]! * 256 + random[index + 4]!) % (round % 2 ? 300 : bytes.length);
          broken[place] = random[index + 8]!;
        }
        const decoded = await codec.decode(broken);
        const length = 'rejected' in decoded ? 0 : decoded.width * decoded.height * 3;
        expect('rejected' in decoded ? 0 : decoded.raster.data.length % Math.max(length, 1)).toBe(0);
      }
    },
  );

  it('rejects a PNG with a wrong checksum', async () => {
    const png = Buffer.from(await photo({ format: 'png' }));
    png[Math.floor(png.length / 2)]! ^= 0xff;
    expect(await reasonOf(png)).toMatchObject({ code: 'truncated' });
  });
});

describe('size', () => {
  it('rejects 50 megapixels and a row from the header alone', async () => {
    expect(await headerReasonOf(pngOf({ width: 10_000, height: 5_001 }))).toEqual({
      code: 'too-large',
      message: 'The photo has 10000x5001 px, 50 megapixels; the limit is 50 megapixels. Make it smaller.',
    });
  });

  it('lets 50 megapixels through the header check', async () => {
    expect(await codec.inspect(pngOf({ width: 10_000, height: 5_000 }))).toEqual({
      format: 'png',
      width: 10_000,
      height: 5_000,
    });
  });

  it('rejects a decompression bomb of a gigapixel in a few kilobytes without decoding it', async () => {
    const bomb = pngOf({ width: 32_000, height: 32_000, pixels: deflateSync(Buffer.alloc(2_000_000)) });
    expect(bomb.length).toBeLessThan(5_000);
    const before = process.memoryUsage.rss();
    expect(await reasonOf(bomb)).toMatchObject({ code: 'too-large' });
    expect(process.memoryUsage.rss() - before).toBeLessThan(50e6);
  });

  it('decodes no more than the header says when a PNG holds more', async () => {
    const before = process.memoryUsage.rss();
    const decoded = await codec.decode(
      pngOf({ width: 64, height: 64, pixels: deflateSync(Buffer.alloc(100_000_000)) }),
    );
    expect('rejected' in decoded || decoded.raster.data.length === 64 * 64 * 3).toBe(true);
    expect(process.memoryUsage.rss() - before).toBeLessThan(150e6);
  });

  it('rejects 1x1 as too small', async () => {
    expect(await headerReasonOf(await photo({ format: 'png', width: 1, height: 1 }))).toEqual({
      code: 'too-small',
      message: expect.stringContaining('1x1'),
    });
  });

  it('rejects a strip of 2,000x40 for its aspect ratio', async () => {
    expect(await headerReasonOf(await photo({ format: 'png', width: 2000, height: 40 }))).toMatchObject({
      code: 'extreme-aspect',
    });
  });

  it('takes its limits from the options', async () => {
    const strict = createCodec({ maxPixels: 100, minSide: 2, maxAspect: 2 });
    const reason = async (width: number, height: number) =>
      (await headerReasonOf(await photo({ format: 'png', width, height }), strict))?.code;
    expect(await reason(11, 10)).toBe('too-large');
    expect(await reason(10, 10)).toBeUndefined();
    expect(await reason(1, 2)).toBe('too-small');
    expect(await reason(7, 3)).toBe('extreme-aspect');
  });

  it('refuses options that it does not know', () => {
    expect(() => createCodec(JSON.parse('{ "maxPixel": 1 }'))).toThrow('received maxPixel');
  });
});

function noisePng(seed: number): Buffer {
  return pngOf({
    width: 64,
    height: 48,
    pixels: deflateSync(noise(48 * (1 + 64 * 3), seed).map((byte, index) => (index % 193 === 0 ? 0 : byte))),
  });
}

function pngToBuffer(png: Uint8Array): Buffer {
  return Buffer.from(png);
}

/** Adds a box with colour code points (ISO/IEC 14496-12, section 12.1.5) to the item properties. */
function withColourCodes(avif: Buffer, { primaries, transfer }: { primaries: number; transfer: number }): Buffer {
  const box = Buffer.from([0, 0, 0, 19, ...Buffer.from('colrnclx'), 0, primaries, 0, transfer, 0, 1, 0x80]);
  const out = Buffer.from(avif);
  const sizeAt = (name: string) => out.indexOf(name, 0, 'latin1') - 4;
  const end = sizeAt('ipco') + out.readUInt32BE(sizeAt('ipco'));
  for (const name of ['meta', 'iprp', 'ipco']) {
    out.writeUInt32BE(out.readUInt32BE(sizeAt(name)) + box.length, sizeAt(name));
  }
  return Buffer.concat([out.subarray(0, end), box, out.subarray(end)]);
}
