/**
 * Quality 1..100, in libjpeg's scale, at which libjpeg would quantise at least as finely as this JPEG was, or undefined when the tables
 * cannot be found. Exact for files that libjpeg wrote. Reads the header only.
 */
export function estimateJpegQuality(bytes: Uint8Array): number | undefined {
  const sums = quantisationSums(bytes);
  if (sums.length === 0) {
    return undefined;
  }
  return Math.max(...sums.map((sum, index) => qualityOf(sum, index === 0 ? luminance : chrominance)));
}

// ITU-T T.81, Annex K, tables K.1 and K.2: what libjpeg scales to make its tables. Only sums are compared, so the order is free.
const luminance = [
  16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
  87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
  72, 92, 95, 98, 112, 100, 103, 99,
];
const chrominance = [
  17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99,
  99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
  99, 99, 99, 99, 99, 99,
];

function qualityOf(sum: number, table: readonly number[]): number {
  for (let quality = 1; quality < 100; quality += 1) {
    // jcparam.c, jpeg_quality_scaling and jpeg_add_quant_table
    const scale = quality < 50 ? Math.floor(5000 / quality) : 200 - 2 * quality;
    const scaled = table.reduce((total, step) => total + clampStep(Math.floor((step * scale + 50) / 100)), 0);
    if (scaled <= sum) {
      return quality;
    }
  }
  return 100;
}

function clampStep(step: number): number {
  return Math.min(Math.max(step, 1), 255);
}

/** The sum of the 64 steps of each table, by table number, up to the first scan. */
function quantisationSums(bytes: Uint8Array): number[] {
  const sums: number[] = [];
  let at = 2;
  while (at + 4 <= bytes.length && bytes[at] === 0xff && bytes[at + 1] !== 0xda) {
    const end = at + 2 + ((bytes[at + 2]! << 8) | bytes[at + 3]!);
    if (bytes[at + 1] === 0xdb) {
      for (let table = at + 4; table < Math.min(end, bytes.length); ) {
        const stepBytes = bytes[table]! >> 4 ? 2 : 1;
        const number = bytes[table]! & 15;
        let sum = 0;
        for (let step = 0; step < 64; step += 1) {
          const value = table + 1 + step * stepBytes;
          sum += stepBytes === 2 ? ((bytes[value] ?? 0) << 8) | (bytes[value + 1] ?? 0) : (bytes[value] ?? 0);
        }
        if (number < 2) {
          sums[number] = sum;
        }
        table += 1 + 64 * stepBytes;
      }
    }
    at = end;
  }
  return sums.filter((sum) => sum !== undefined);
}
