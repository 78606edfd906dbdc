/** Interleaved samples with what an encoder must know about them. */
export type Samples = {
  readonly width: number;
  readonly height: number;
  /** 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha. */
  readonly channels: number;
  /** 8-bit, or 16-bit in this machine's byte order (little-endian everywhere Node runs). */
  readonly data: Uint8Array | Uint16Array;
  readonly iccProfile?: Uint8Array | undefined;
};

/**
 * An uncompressed TIFF in memory. sharp takes raw pixels without a colour profile, and its `withIccProfile` converts the pixels; a TIFF
 * carries both, so that `keepIccProfile` attaches the profile and leaves every value alone. Cost: one copy of the pixels.
 */
export function tiffCarrier({ width, height, channels, data, iccProfile }: Samples): Buffer {
  const bitsPerSample = data.BYTES_PER_ELEMENT * 8;
  const rowBytes = width * channels * data.BYTES_PER_ELEMENT;
  // libtiff reads strip by strip: about a megabyte keeps its buffer small.
  const rowsPerStrip = Math.max(1, Math.min(height, Math.floor(2 ** 20 / rowBytes)));
  const strips = Math.ceil(height / rowsPerStrip);
  const offsets = new Uint32Array(strips);
  const counts = Uint32Array.from({ length: strips }, (_, strip) =>
    strip < strips - 1 ? rowsPerStrip * rowBytes : (height - strip * rowsPerStrip) * rowBytes,
  );
  const hasAlpha = channels === 2 || channels === 4;
  const resolution = Uint32Array.of(72, 1);
  const tags: readonly (readonly [tag: number, type: number, count: number, value: Uint8Array])[] = [
    [256, long, 1, words(width)],
    [257, long, 1, words(height)],
    [258, short, channels, byteView(new Uint16Array(channels).fill(bitsPerSample))],
    [259, short, 1, words(1)], // no compression
    [262, short, 1, words(channels <= 2 ? 1 : 2)], // black is zero, or RGB
    [273, long, strips, byteView(offsets)],
    [277, short, 1, words(channels)],
    [278, long, 1, words(rowsPerStrip)],
    [279, long, strips, byteView(counts)],
    [282, rational, 1, byteView(resolution)],
    [283, rational, 1, byteView(resolution)],
    [284, short, 1, words(1)], // interleaved
    [296, short, 1, words(2)], // per inch
    ...(hasAlpha ? [[338, short, 1, words(2)] as const] : []), // alpha, not premultiplied
    ...(iccProfile ? [[34675, bytes, iccProfile.length, iccProfile] as const] : []),
  ];
  const directory = Buffer.alloc(2 + tags.length * 12 + 4);
  const values: Uint8Array[] = [];
  let at = 8 + directory.length;
  const pixelsAt = at + tags.reduce((total, [, , , value]) => total + (value.length > 4 ? even(value.length) : 0), 0);
  offsets.forEach((_, strip) => {
    offsets[strip] = pixelsAt + strip * rowsPerStrip * rowBytes;
  });
  directory.writeUInt16LE(tags.length, 0);
  tags.forEach(([tag, type, count, value], index) => {
    const entry = 2 + index * 12;
    directory.writeUInt16LE(tag, entry);
    directory.writeUInt16LE(type, entry + 2);
    directory.writeUInt32LE(count, entry + 4);
    if (value.length <= 4) {
      directory.set(value, entry + 8);
    } else {
      directory.writeUInt32LE(at, entry + 8);
      values.push(value, new Uint8Array(even(value.length) - value.length));
      at += even(value.length);
    }
  });
  const header = Buffer.from([0x49, 0x49, 42, 0, 8, 0, 0, 0]);
  return Buffer.concat([header, directory, ...values, byteView(data)]);
}

// Field types of the TIFF 6.0 specification, section 2.
const short = 3;
const long = 4;
const rational = 5;
const bytes = 7;

function words(value: number): Uint8Array {
  return byteView(Uint32Array.of(value));
}

function byteView(array: Uint8Array | Uint16Array | Uint32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function even(length: number): number {
  return length + (length % 2);
}
