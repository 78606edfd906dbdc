import sharp, { type Metadata, type Sharp } from 'sharp';
import { createRaster, type Raster } from '#image/raster.ts';
import type { Codec, DecodedPhoto, PhotoFormat, PhotoHeader, Rejection } from '#pipeline/ports.ts';
import type { Reason } from '#pipeline/reason.ts';
import { estimateJpegQuality } from './jpeg-quality.ts';
import { colourChunks, countPngFrames, insertChunks } from './png-chunks.ts';
import { latin1, littleEndian32, sniff } from './sniff.ts';
import { syntheticMark } from './synthetic-mark.ts';
import { tiffCarrier } from './tiff-carrier.ts';

export type CodecOptions = {
  /** Larger photos are rejected from their header. 50 MP: 150 MB of pixels, twice in memory while a face is pasted. */
  readonly maxPixels?: number;
  /** Shortest side. Below 32 px no face can be told from noise. */
  readonly minSide?: number;
  /** Longest side over shortest. 20 leaves panoramas in and strips of pixels out. */
  readonly maxAspect?: number;
  /** Threads of libvips. 1: photos are worked on one after another and leave the cores to inference. */
  readonly threads?: number;
};

/**
 * JPEG, PNG, WebP, TIFF and AVIF in and out, by sharp.
 *
 * Colour: pixels are worked on in the photo's own RGB space, and its ICC profile is attached again untouched. Converting to sRGB and
 * back would clip wide-gamut colours and round every pixel twice; so a Display P3 photo keeps its P3 values, and no pixel outside the
 * restored region changes but by the output codec (PNG, TIFF and lossless WebP: not at all). The networks see P3 skin slightly less
 * saturated than sRGB skin and answer in the same space, which is what must be pasted. Only CMYK is converted (by its profile, else a
 * generic one), and comes back as sRGB: the way back to ink is not exact.
 *
 * Depth: the raster is 8-bit. A 16-bit photo comes back 16-bit with its own samples wherever the 8-bit value has not changed. Greyscale comes
 * back with one channel (WebP and AVIF, which have none: three equal ones). Palette PNG comes back as true colour: a face needs more colours.
 *
 * Alpha is kept. EXIF orientation is applied. EXIF, IPTC and XMP are dropped, the location with them, and XMP says that the photo is partly synthetic.
 * An HDR gain map is dropped too: it would light the face as if the mask were still there.
 *
 * JPEG comes back at its own quality, at least 90, and with its own chroma subsampling: the same tables twice change the untouched blocks least
 * (59 to 71 dB against the photo; any other quality 50 to 53).
 *
 * Cost per megapixel, one core: inspect about 1 ms whatever the size; decode 10 ms for JPEG, 20 for PNG; encode: see `compress`.
 */
export function createCodec(options: CodecOptions = {}): Codec {
  const { maxPixels = 50e6, minSide = 32, maxAspect = 20, threads = 1, ...unknown } = options;
  const [unknownOption] = Object.keys(unknown);
  if (unknownOption !== undefined) {
    throw new TypeError(`Expected options maxPixels, minSide, maxAspect or threads but received ${unknownOption}.`);
  }
  // Photos are seen once, so libvips's cache of operations would only hold memory.
  sharp.cache(false);
  sharp.concurrency(threads);
  const limits = { maxPixels, minSide, maxAspect };
  const made = new WeakSet<object>();
  const isEncoding = (value: unknown): value is Encoding =>
    typeof value === 'object' && value !== null && made.has(value);

  return {
    async inspect(bytes) {
      const source = await readHeader(bytes, limits);
      return 'rejected' in source ? source : source.header;
    },

    async decode(bytes) {
      const source = await readHeader(bytes, limits);
      if ('rejected' in source) {
        return source;
      }
      const { header, encoding } = source;
      try {
        const raster = await decodePixels(bytes, encoding, maxPixels);
        made.add(encoding);
        return { ...header, raster, encoding };
      } catch (error) {
        return damaged(header.format, error);
      }
    },

    async encode(raster, like) {
      if (!isEncoding(like.encoding)) {
        throw new TypeError('Expected a photo that this codec decoded but received another.');
      }
      const { width, height, channels } = like.raster;
      if (raster.width !== width || raster.height !== height || raster.channels !== channels) {
        const shape = `${raster.width}x${raster.height}x${raster.channels}`;
        throw new RangeError(`Expected a raster of ${width}x${height}x${channels}, as decoded, but received ${shape}.`);
      }
      return encodePixels(raster, like, like.encoding);
    },
  };
}

/** What encoding back needs and pixels do not tell. */
type Encoding = {
  readonly source: Uint8Array;
  readonly grey: boolean;
  readonly cmyk: boolean;
  /** Bits per channel that the decoder gives and the encoder takes. */
  readonly bits: 8 | 16;
  readonly iccProfile: Uint8Array | undefined;
  readonly chromaSubsampling: '4:2:0' | '4:4:4';
  readonly quality: number;
  readonly lossless: boolean;
  readonly tiffCompression: 'lzw' | 'deflate' | 'none';
};

type Limits = Required<Omit<CodecOptions, 'threads'>>;

const formatNames = { jpeg: 'JPEG', png: 'PNG', webp: 'WebP', tiff: 'TIFF', avif: 'AVIF' } as const;

/** Channels that each colour space may have, alpha included. Lab, floats and the like are not photos that phones and cameras make. */
const channelsOfSpace: Readonly<Record<string, readonly number[]>> = {
  'b-w': [1, 2],
  grey16: [1, 2],
  srgb: [3, 4],
  rgb: [3, 4],
  rgb16: [3, 4],
  cmyk: [4, 5],
};

async function readHeader(
  bytes: Uint8Array,
  limits: Limits,
): Promise<Rejection | { readonly header: PhotoHeader; readonly encoding: Encoding }> {
  const sniffed = sniff(bytes);
  if (sniffed.rejected) {
    return { rejected: sniffed.rejected };
  }
  const { format } = sniffed;
  let metadata: Metadata;
  try {
    metadata = await sharp(bytes, { limitInputPixels: false }).metadata();
  } catch (error) {
    return damaged(format, error);
  }
  const { width, height } = metadata.autoOrient;
  const rejected =
    checkSize(width, height, limits) ?? checkFrames(bytes, format, metadata) ?? checkColours(bytes, format, metadata);
  return rejected
    ? { rejected }
    : { header: { format, width, height }, encoding: describeEncoding(bytes, format, metadata) };
}

function checkSize(width: number, height: number, { maxPixels, minSide, maxAspect }: Limits): Reason | undefined {
  const size = `${width}x${height} px`;
  if (width * height > maxPixels) {
    const megapixels = (pixels: number) => `${Number((pixels / 1e6).toFixed(1))} megapixels`;
    return {
      code: 'too-large',
      message: `The photo has ${size}, ${megapixels(width * height)}; the limit is ${megapixels(maxPixels)}. Make it smaller.`,
    };
  }
  if (Math.min(width, height) < minSide) {
    return {
      code: 'too-small',
      message: `The photo has ${size}; both sides must have at least ${minSide} px for a face to be seen.`,
    };
  }
  if (Math.max(width, height) > maxAspect * Math.min(width, height)) {
    return {
      code: 'extreme-aspect',
      message: `The photo has ${size}; the long side may be at most ${maxAspect} times the short one. Crop it to the faces.`,
    };
  }
  return undefined;
}

/** The first of several frames or pages is never silently taken for the photo. */
function checkFrames(bytes: Uint8Array, format: PhotoFormat, metadata: Metadata): Reason | undefined {
  if ((metadata.subifds ?? 0) > 0) {
    return {
      code: 'unsupported-format',
      message: 'The TIFF is a camera raw file (DNG or alike) or a pyramid. Develop it to JPEG, TIFF or PNG first.',
    };
  }
  const frames = format === 'png' ? countPngFrames(bytes) : (metadata.pages ?? 1);
  return frames > 1
    ? {
        code: 'animated',
        message: `The ${formatNames[format]} holds ${frames} frames or pages; one photo is expected. Save the one that you want by itself.`,
      }
    : undefined;
}

function checkColours(
  bytes: Uint8Array,
  format: PhotoFormat,
  { space, channels, depth, icc }: Metadata,
): Reason | undefined {
  if (format === 'avif' && !icc && hasUnusualPrimaries(bytes)) {
    return {
      code: 'unsupported-format',
      message:
        'The AVIF is HDR or wide-gamut without an ICC profile, and would come back in other colours. Convert it to JPEG.',
    };
  }
  const readable = channelsOfSpace[space]?.includes(channels) && (depth === 'uchar' || depth === 'ushort');
  return readable
    ? undefined
    : {
        code: 'unsupported-format',
        message: `The ${formatNames[format]} has ${channels} channels of ${depth} in ${space}; RGB, greyscale or CMYK with 8 or 16 bits is read. Convert it to 8-bit RGB.`,
      };
}

/**
 * Whether an AVIF's code points (ITU-T H.273, sections 8.1 and 8.2) say BT.2020, P3, PQ or HLG. libheif does not convert them and sharp cannot
 * write them, so the photo would change colour.
 */
function hasUnusualPrimaries(bytes: Uint8Array): boolean {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 65_536));
  const at = head.indexOf('colrnclx', 0, 'latin1');
  if (at < 0 || at + 12 > head.length) {
    return false;
  }
  return [9, 11, 12].includes(head.readUInt16BE(at + 8)) || [16, 18].includes(head.readUInt16BE(at + 10));
}

function describeEncoding(bytes: Uint8Array, format: PhotoFormat, metadata: Metadata): Encoding {
  const { space, depth, icc, chromaSubsampling, compression } = metadata;
  const grey = space === 'b-w' || space === 'grey16';
  const compressions: readonly string[] = ['deflate', 'none'];
  const tiffCompression = String(compression);
  return {
    source: bytes,
    grey,
    cmyk: space === 'cmyk',
    bits: depth === 'ushort' && space !== 'cmyk' ? 16 : 8,
    // ICC.1:2022, section 7.2.6: the colour space of the data. A profile that does not fit the pixels helps nobody.
    iccProfile: icc && latin1(icc, 16, 20) === (grey ? 'GRAY' : 'RGB ') ? icc : undefined,
    // 4:2:2 and 4:4:0 rise to 4:4:4: sharp writes no others, and colour must not get coarser.
    chromaSubsampling: chromaSubsampling?.startsWith('4:2:0') ? '4:2:0' : '4:4:4',
    quality: Math.max(minQuality, (format === 'jpeg' && estimateJpegQuality(bytes)) || minQuality),
    lossless: format === 'webp' && isLosslessWebp(bytes),
    tiffCompression: compressions.includes(tiffCompression) ? (tiffCompression === 'none' ? 'none' : 'deflate') : 'lzw',
  };
}

/** Re-encoding below 90 would visibly wear the untouched part of the photo (libjpeg's and libwebp's scale). */
const minQuality = 90;

async function decodePixels(bytes: Uint8Array, encoding: Encoding, maxPixels: number): Promise<Raster> {
  const { data, info } = await open(bytes, encoding, maxPixels)
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 3 && info.channels !== 4) {
    throw new Error(`Expected 3 or 4 channels after decoding but received ${info.channels}.`);
  }
  return createRaster(info.width, info.height, info.channels, plain(data));
}

/** The photo's pixels, upright, in its own colour space unless that is CMYK. */
function open(bytes: Uint8Array, { cmyk }: Encoding, maxPixels: number): Sharp {
  return sharp(bytes, { failOn: 'warning', limitInputPixels: maxPixels, ignoreIcc: !cmyk }).autoOrient();
}

async function encodePixels(raster: Raster, like: DecodedPhoto, encoding: Encoding): Promise<Uint8Array> {
  const { grey, bits, iccProfile, source } = encoding;
  const deep = bits === 16 && (like.format === 'png' || like.format === 'tiff');
  const samples = grey ? luma(raster) : raster;
  const data = deep ? await deepen(samples, like, encoding) : samples.data;
  const space = grey ? (deep ? 'grey16' : 'b-w') : deep ? 'rgb16' : 'srgb';
  const pipeline = asSharp(samples, data, like.format, iccProfile)
    .toColourspace(space)
    .keepIccProfile()
    .withXmp(syntheticMark);
  const encoded = await compress(pipeline, like.format, encoding).toBuffer();
  return plain(like.format === 'png' ? insertChunks(encoded, colourChunks(source)) : encoded);
}

/** A JPEG without a profile goes in as it lies in memory and comes out the same, byte for byte; anything else in a carrier, which is a copy. */
function asSharp(
  { width, height, channels }: Samples8,
  data: Uint8Array | Uint16Array,
  format: PhotoFormat,
  iccProfile: Uint8Array | undefined,
): Sharp {
  return format === 'jpeg' && channels === 3 && !iccProfile
    ? sharp(data, { limitInputPixels: false, raw: { width, height, channels } })
    : sharp(tiffCarrier({ width, height, channels, data, iccProfile }), { limitInputPixels: false });
}

/** Settings by measurement on a noisy photo of one megapixel, one core; each next effort costs twice the time for a few per cent of bytes. */
function compress(pipeline: Sharp, format: PhotoFormat, encoding: Encoding): Sharp {
  const { quality, chromaSubsampling, lossless, tiffCompression } = encoding;
  switch (format) {
    case 'jpeg':
      // 6 ms; optimised Huffman tables would take 7 more for 1.5 % of the bytes.
      return pipeline.jpeg({ quality, chromaSubsampling, optimiseCoding: false });
    case 'png':
      // 90 ms; without adaptive filters 70, and 60 % more bytes.
      return pipeline.png({ compressionLevel: 6, adaptiveFiltering: true });
    case 'webp':
      // 260 ms lossless, 55 lossy. `exact` keeps the colour of fully transparent pixels.
      return pipeline.webp(lossless ? { lossless, exact: true, effort: 0 } : { quality, exact: true, effort: 2 });
    case 'tiff':
      return pipeline.tiff({ compression: tiffCompression, predictor: 'horizontal' });
    case 'avif':
      // 130 ms; effort 2 would take 660 for 2 % of the bytes.
      return pipeline.avif({ quality, chromaSubsampling: '4:4:4', effort: 0 });
  }
}

/** RGB(A) to grey (and alpha). Grey pixels stay exactly as they are. */
function luma({ width, height, channels, data }: Raster) {
  const outChannels = channels - 2;
  const out = new Uint8Array(width * height * outChannels);
  for (let from = 0, to = 0; from < data.length; from += channels, to += outChannels) {
    // ITU-R BT.601, the weights of JPEG's own Y; they add up to 65,536.
    out[to] = (19595 * data[from]! + 38470 * data[from + 1]! + 7471 * data[from + 2]! + 32768) >> 16;
    if (outChannels === 2) {
      out[to + 1] = data[from + 3]!;
    }
  }
  return { width, height, channels: outChannels, data: out };
}

type Samples8 = {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: Uint8Array;
};

/** 16-bit samples: the photo's own where its 8-bit value has not changed, the new value spread over 16 bits elsewhere. Decodes the photo again. */
async function deepen(samples: Samples8, like: DecodedPhoto, encoding: Encoding): Promise<Uint16Array> {
  const before = encoding.grey ? luma(like.raster).data : like.raster.data;
  const { data } = await open(encoding.source, encoding, like.width * like.height)
    .toColourspace('rgb16')
    .raw({ depth: 'ushort' })
    .toBuffer({ resolveWithObject: true });
  const original = new Uint16Array(data.buffer, data.byteOffset, data.length / 2);
  const { channels } = samples;
  const sourceChannels = like.raster.channels;
  const out = new Uint16Array(samples.data.length);
  for (let index = 0; index < out.length; index += 1) {
    const value = samples.data[index]!;
    const pixel = Math.floor(index / channels);
    const channel = index - pixel * channels;
    // Grey was decoded to three equal channels; its alpha follows them.
    const sourceChannel = encoding.grey && channel === 1 ? 3 : channel;
    out[index] = value === before[index] ? original[pixel * sourceChannels + sourceChannel]! : value * 257;
  }
  return out;
}

/** A Buffer's `slice` shares memory where a Uint8Array's copies: nobody outside shall meet a Buffer. */
function plain({ buffer, byteOffset, byteLength }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Whether the pixels are in a VP8L chunk (RFC 9649, section 2). */
function isLosslessWebp(bytes: Uint8Array): boolean {
  for (let at = 12; at + 8 <= bytes.length; ) {
    const name = latin1(bytes, at, at + 4);
    if (name === 'VP8L' || name === 'VP8 ') {
      return name === 'VP8L';
    }
    const length = littleEndian32(bytes, at + 4);
    at += 8 + length + (length % 2);
  }
  return false;
}

function damaged(format: PhotoFormat, error: unknown): Rejection {
  const [detail] = (error instanceof Error ? error.message : String(error)).split('\n');
  return {
    rejected: {
      code: 'truncated',
      message: `The ${formatNames[format]} is cut off or damaged (${detail}). Upload the complete file again.`,
    },
  };
}
