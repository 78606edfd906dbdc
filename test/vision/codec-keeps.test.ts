import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { createRaster, type Raster } from '#image/raster.ts';
import type { DecodedPhoto, PhotoFormat } from '#pipeline/ports.ts';
import { createCodec } from '#vision/codec.ts';
import { estimateJpegQuality } from '#vision/jpeg-quality.ts';
import { noise, photo, pngChunk } from './photos.ts';

const codec = createCodec();

async function decode(bytes: Uint8Array): Promise<DecodedPhoto> {
  const decoded = await codec.decode(bytes);
  if ('rejected' in decoded) {
    throw new Error(decoded.rejected.message);
  }
  return decoded;
}

/** A restored region of 8x8 pixels at (16, 16), mid-grey with a little colour, as a pasted face would be. */
const region = { left: 16, top: 16, right: 24, bottom: 24 };
const inRegion = (x: number, y: number) => x >= region.left && x < region.right && y >= region.top && y < region.bottom;

function withRegion({ width, height, channels, data }: Raster): Raster {
  const out = data.slice();
  for (let y = region.top; y < region.bottom; y += 1) {
    for (let x = region.left; x < region.right; x += 1) {
      out.set([130, 120, 110], (y * width + x) * channels);
    }
  }
  return createRaster(width, height, channels, out);
}

/** Unmasks a photo as the pipeline does: decode, change the region, encode. */
async function roundTrip(bytes: Uint8Array): Promise<{ before: DecodedPhoto; out: Uint8Array }> {
  const before = await decode(bytes);
  return { before, out: await codec.encode(withRegion(before.raster), before) };
}

/** Largest difference outside the region between samples of the same layout. */
function changeOutside(a: ArrayLike<number>, b: ArrayLike<number>, width: number, channels: number): number {
  let most = Math.abs(a.length - b.length);
  for (let index = 0; index < a.length; index += 1) {
    const pixel = Math.floor(index / channels);
    if (!inRegion(pixel % width, Math.floor(pixel / width))) {
      most = Math.max(most, Math.abs(a[index]! - b[index]!));
    }
  }
  return most;
}

const pixels8 = async (bytes: Uint8Array) => await sharp(bytes, { ignoreIcc: true }).raw().toBuffer();

async function pixels16(bytes: Uint8Array, space: 'rgb16' | 'grey16'): Promise<Uint16Array> {
  const data = await sharp(bytes, { ignoreIcc: true }).toColourspace(space).raw({ depth: 'ushort' }).toBuffer();
  return new Uint16Array(data.buffer, data.byteOffset, data.length / 2);
}

const formats = ['jpeg', 'png', 'webp', 'tiff', 'avif'] as const satisfies readonly PhotoFormat[];
const sharpName = (format: PhotoFormat) => (format === 'avif' ? 'heif' : format);

describe.each(formats)('%s', (format) => {
  it('is inspected, decoded and encoded in its own format and size', async () => {
    const bytes = await photo({ format, width: 70, height: 50 });
    expect(await codec.inspect(bytes)).toEqual({ format, width: 70, height: 50 });
    const { before, out } = await roundTrip(bytes);
    expect([before.raster.width, before.raster.height, before.raster.channels]).toEqual([70, 50, 3]);
    expect(await sharp(out).metadata()).toMatchObject({ format: sharpName(format), width: 70, height: 50 });
  });

  it('is marked as synthetic and carries no other metadata', async () => {
    const bytes = await sharp(await photo({ format: 'png' }))
      .withExif({ IFD0: { Copyright: 'someone' }, IFD3: { GPSLatitude: '51/1 30/1 3230/100', GPSLatitudeRef: 'N' } })
      .withXmp('<x:xmpmeta xmlns:x="adobe:ns:meta/"><secret/></x:xmpmeta>')
      [format]()
      .toBuffer();
    const { out } = await roundTrip(bytes);
    const { exif, iptc, xmpAsString } = await sharp(out).metadata();
    expect({ exif, iptc }).toEqual({});
    expect(xmpAsString).toContain(
      'Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"',
    );
    expect(xmpAsString).toContain('imagined');
    expect(xmpAsString).not.toContain('secret');
    expect(Buffer.from(out).includes('someone')).toBe(false);
  });

  it('keeps a wide-gamut colour profile to the byte', async () => {
    const bytes = await sharp(await photo({ format: 'png' }))
      .withIccProfile('p3')
      [format]()
      .toBuffer();
    const { icc } = await sharp(bytes).metadata();
    const { out } = await roundTrip(bytes);
    expect(icc?.length).toBeGreaterThan(100);
    expect((await sharp(out).metadata()).icc).toEqual(icc);
  });
});

describe.each(['png', 'tiff', 'webp'] as const)('a lossless %s', (format) => {
  it('keeps every pixel outside the region to the bit', async () => {
    const bytes = await photo({ format });
    const { out } = await roundTrip(bytes);
    expect(changeOutside(await pixels8(bytes), await pixels8(out), 64, 3)).toBe(0);
  });

  it('keeps the values of a wide-gamut photo as they are', async () => {
    const bytes = await sharp(await photo({ format: 'png' }))
      .withIccProfile('p3')
      [format](format === 'webp' ? { lossless: true } : format === 'tiff' ? { compression: 'lzw' } : {})
      .toBuffer();
    const { out } = await roundTrip(bytes);
    expect(changeOutside(await pixels8(bytes), await pixels8(out), 64, 3)).toBe(0);
  });

  it('keeps alpha, and the colour under full transparency', async () => {
    const bytes = await photo({ format, channels: 4 });
    const { before, out } = await roundTrip(bytes);
    expect(before.raster.channels).toBe(4);
    expect(changeOutside(await pixels8(bytes), await pixels8(out), 64, 4)).toBe(0);
  });
});

describe('lossy formats', () => {
  it.each([
    [50, 90],
    [90, 90],
    [92, 92],
    [97, 97],
    [100, 100],
  ])('a JPEG of quality %i comes back at %i', async (quality, expected) => {
    const { out } = await roundTrip(await photo({ format: 'jpeg', encoder: { quality } }));
    expect(estimateJpegQuality(out)).toBe(expected);
  });

  it.each(['4:2:0', '4:4:4'] as const)('a JPEG of %s comes back as such', async (chromaSubsampling) => {
    const { out } = await roundTrip(await photo({ format: 'jpeg', encoder: { quality: 95, chromaSubsampling } }));
    expect((await sharp(out).metadata()).chromaSubsampling).toBe(chromaSubsampling);
  });

  it('a JPEG changes by a level or two outside the region', async () => {
    const smooth = await sharp(await photo({ format: 'png' }))
      .blur(3)
      .jpeg({ quality: 95, chromaSubsampling: '4:4:4' })
      .toBuffer();
    const { out } = await roundTrip(smooth);
    const far = (data: Buffer) => data.subarray(32 * 64 * 3); // blocks below the region's
    expect(changeOutside(far(await pixels8(smooth)), far(await pixels8(out)), 64, 3)).toBeLessThanOrEqual(3);
  });

  it('a lossy WebP stays lossy, a lossless one lossless', async () => {
    const chunk = async (lossless: boolean) => {
      const { out } = await roundTrip(await photo({ format: 'webp', encoder: { lossless } }));
      const text = Buffer.from(out).toString('latin1');
      return { lossless: text.includes('VP8L'), lossy: text.includes('VP8 ') };
    };
    expect(await chunk(true)).toEqual({ lossless: true, lossy: false });
    expect(await chunk(false)).toEqual({ lossless: false, lossy: true });
  });

  it('alpha of a lossy WebP is kept', async () => {
    const bytes = await photo({ format: 'webp', channels: 4, encoder: { lossless: false } });
    const { out } = await roundTrip(bytes);
    const alpha = (data: Buffer) => data.filter((_, index) => index % 4 === 3);
    expect(alpha(await pixels8(out))).toEqual(alpha(await pixels8(bytes)));
  });
});

describe('orientation', () => {
  /** 40x32 with a red, green, blue and white corner, stored so that the tag turns it upright. */
  const corners = async (raster: Raster) => {
    const { width, height, data } = raster;
    const name = (x: number, y: number) => {
      const [red, green, blue] = data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3);
      return `${red! > 128 ? 'r' : ''}${green! > 128 ? 'g' : ''}${blue! > 128 ? 'b' : ''}`;
    };
    return [name(2, 2), name(width - 3, 2), name(2, height - 3), name(width - 3, height - 3)];
  };
  const patch = (red: number, green: number, blue: number) => ({
    create: { width: 10, height: 10, channels: 3 as const, background: { r: red, g: green, b: blue } },
  });
  const upright = sharp({ create: { width: 40, height: 32, channels: 3, background: '#000' } })
    .composite([
      { input: patch(255, 0, 0), left: 0, top: 0 },
      { input: patch(0, 255, 0), left: 30, top: 0 },
      { input: patch(0, 0, 255), left: 0, top: 22 },
      { input: patch(255, 255, 255), left: 30, top: 22 },
    ])
    .png()
    .toBuffer();

  // How to store an upright photo so that each EXIF orientation shows it upright again.
  const stored: Readonly<Record<number, { readonly turn: number; readonly mirror: boolean }>> = {
    1: { turn: 0, mirror: false },
    2: { turn: 0, mirror: true },
    3: { turn: 180, mirror: false },
    4: { turn: 180, mirror: true },
    5: { turn: 90, mirror: true },
    6: { turn: 270, mirror: false },
    7: { turn: 270, mirror: true },
    8: { turn: 90, mirror: false },
  };

  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    '%i is applied, and the photo comes back upright without a tag',
    async (orientation) => {
      const { turn, mirror } = stored[orientation]!;
      const rotated = await sharp(await upright)
        .rotate(turn)
        .png()
        .toBuffer();
      const turned = await sharp(rotated).flop(mirror).png().toBuffer();
      const bytes = await sharp(turned)
        .withMetadata({ orientation })
        .jpeg({ quality: 95, chromaSubsampling: '4:4:4' })
        .toBuffer();
      expect((await sharp(bytes).metadata()).orientation).toBe(orientation);
      expect(await codec.inspect(bytes)).toEqual({ format: 'jpeg', width: 40, height: 32 });
      const decoded = await decode(bytes);
      expect(await corners(decoded.raster)).toEqual(['r', 'g', 'b', 'rgb']);
      const out = await codec.encode(decoded.raster, decoded);
      expect((await sharp(out).metadata()).orientation).toBeUndefined();
      expect(await corners((await decode(out)).raster)).toEqual(['r', 'g', 'b', 'rgb']);
    },
  );
});

describe('greyscale', () => {
  it.each(['jpeg', 'png', 'tiff'] as const)(
    'a grey %s is decoded to RGB and comes back with one channel',
    async (format) => {
      const bytes = await photo({ format, channels: 1 });
      const { before, out } = await roundTrip(bytes);
      expect(before.raster.channels).toBe(3);
      expect(await sharp(out).metadata()).toMatchObject({ channels: 1, space: 'b-w' });
    },
  );

  it.each(['png', 'tiff'] as const)('a grey %s keeps its pixels outside the region to the bit', async (format) => {
    const bytes = await photo({ format, channels: 1 });
    const { out } = await roundTrip(bytes);
    const [before, after] = [await pixels8(bytes), await pixels8(out)];
    expect(changeOutside(before, after, 64, before.length / (64 * 48))).toBe(0);
  });

  it('a grey PNG with alpha comes back with two channels', async () => {
    const { before, out } = await roundTrip(await photo({ format: 'png', channels: 2 }));
    expect(before.raster.channels).toBe(4);
    const after = await decode(out);
    expect((await sharp(out).metadata()).channels).toBe(2);
    expect(changeOutside(before.raster.data, after.raster.data, 64, 4)).toBe(0);
  });
});

describe('16 bits', () => {
  const deep = async (format: 'png' | 'tiff', channels: 1 | 2 | 3 | 4) => {
    const samples = new Uint16Array(noise(64 * 48 * channels * 2).buffer);
    return await sharp(samples, { raw: { width: 64, height: 48, channels } })
      .toColourspace(channels < 3 ? 'grey16' : 'rgb16')
      [format](format === 'tiff' ? { compression: 'lzw' } : {})
      .toBuffer();
  };

  it.each([
    ['png', 3],
    ['png', 4],
    ['tiff', 3],
    ['png', 1],
    ['png', 2],
  ] as const)(
    'a 16-bit %s of %i channels keeps its samples outside the region to the bit',
    async (format, channels) => {
      const bytes = await deep(format, channels);
      const space = channels < 3 ? 'grey16' : 'rgb16';
      const { out } = await roundTrip(bytes);
      expect(await sharp(out).metadata()).toMatchObject({ depth: 'ushort', channels, space });
      const [before, after] = [await pixels16(bytes, space), await pixels16(out, space)];
      expect(changeOutside(before, after, 64, before.length / (64 * 48))).toBe(0);
    },
  );

  it('new values are spread over the 16 bits', async () => {
    const { out } = await roundTrip(await deep('png', 3));
    const after = await pixels16(out, 'rgb16');
    const at = (20 * 64 + 20) * 3;
    expect([...after.subarray(at, at + 3)]).toEqual([130 * 257, 120 * 257, 110 * 257]);
  });
});

describe('other kinds of pixels', () => {
  it('a palette PNG comes back as true colour, with its pixels outside the region to the bit', async () => {
    const bytes = await photo({ format: 'png', encoder: { palette: true, colours: 16 } });
    expect((await sharp(bytes).metadata()).isPalette).toBe(true);
    const { out } = await roundTrip(bytes);
    expect((await sharp(out).metadata()).isPalette).toBe(false);
    expect(changeOutside(await pixels8(bytes), await pixels8(out), 64, 3)).toBe(0);
  });

  it('a CMYK JPEG is decoded to RGB with its colours and comes back as an sRGB JPEG', async () => {
    const red = sharp({ create: { width: 64, height: 48, channels: 3, background: { r: 200, g: 40, b: 40 } } });
    const bytes = await red.toColourspace('cmyk').jpeg({ quality: 95 }).toBuffer();
    expect((await sharp(bytes).metadata()).space).toBe('cmyk');
    const { before, out } = await roundTrip(bytes);
    const [r, g, b] = before.raster.data;
    expect([Math.abs(r! - 200) < 25, Math.abs(g! - 40) < 25, Math.abs(b! - 40) < 25]).toEqual([true, true, true]);
    const { space, channels, icc } = await sharp(out).metadata();
    expect({ space, channels, icc }).toEqual({ space: 'srgb', channels: 3, icc: undefined });
  });

  it('the colour chunks of a PNG without a profile are kept', async () => {
    const gamma = pngChunk('gAMA', Buffer.from([0, 0, 0xb1, 0x8f]));
    const plain = await photo({ format: 'png' });
    const bytes = Buffer.concat([plain.subarray(0, 33), gamma, plain.subarray(33)]);
    const { out } = await roundTrip(bytes);
    expect(Buffer.from(out).includes(gamma)).toBe(true);
    expect(changeOutside(await pixels8(bytes), await pixels8(out), 64, 3)).toBe(0);
  });

  it('a profile that does not fit the pixels is dropped', async () => {
    const bytes = await sharp(await photo({ format: 'png' }))
      .withIccProfile('p3')
      .jpeg()
      .toBuffer();
    bytes.write('GRAY', bytes.indexOf('RGB XYZ '), 'latin1');
    const { out } = await roundTrip(bytes);
    expect((await sharp(out).metadata()).icc).toBeUndefined();
  });

  it('the content decides what a photo is, so a WebP named .jpg is a WebP', async () => {
    // The codec never sees a name.
    expect(await codec.inspect(await photo({ format: 'webp' }))).toMatchObject({ format: 'webp' });
  });
});

describe('encode', () => {
  it('and decode give plain arrays, whose slice is a copy', async () => {
    const { before, out } = await roundTrip(await photo({ format: 'png' }));
    expect([before.raster.data, out].some(Buffer.isBuffer)).toBe(false);
  });

  it('refuses a raster of another shape', async () => {
    const decoded = await decode(await photo({ format: 'png' }));
    await expect(codec.encode(createRaster(64, 47, 3), decoded)).rejects.toThrow('Expected a raster of 64x48x3');
  });

  it('refuses a photo that it did not decode', async () => {
    const decoded = await decode(await photo({ format: 'png' }));
    await expect(codec.encode(decoded.raster, { ...decoded, encoding: {} })).rejects.toThrow(
      'decoded but received another',
    );
  });
});
