import sharp from 'sharp';
import type { Raster } from '#image/raster.ts';

export type ContactSheet = {
  readonly title: string;
  /** Over each column of pictures. */
  readonly columns: readonly string[];
  /** Pictures of one row, one for each column; undefined leaves its place empty. */
  readonly rows: readonly { readonly label: string; readonly pictures: readonly (Raster | undefined)[] }[];
  /** Side of a picture's place, in pixels; pictures are fitted into it. Default 256. */
  readonly side?: number;
};

const labelWidth = 120;
const headHeight = 56;
const gap = 4;

/** Pictures in rows and columns as one PNG, for looking at. About 5 ms a picture. */
export async function drawContactSheet({ title, columns, rows, side = 256 }: ContactSheet): Promise<Uint8Array> {
  const width = labelWidth + columns.length * (side + gap);
  const height = headHeight + rows.length * (side + gap);
  const pictures = rows.flatMap((row, line) =>
    row.pictures.flatMap((raster, column) => (raster ? [{ raster, line, column }] : [])),
  );
  const placed = await Promise.all(
    pictures.map(async ({ raster, line, column }) => ({
      input: await fitted(raster, side),
      left: labelWidth + column * (side + gap),
      top: headHeight + line * (side + gap),
    })),
  );
  const words = [
    textAt(8, 20, title, 15),
    ...columns.map((text, column) => textAt(labelWidth + column * (side + gap), 46, text, 13)),
    ...rows.flatMap(({ label }, line) =>
      label.split('\n').map((text, index) => textAt(8, headHeight + line * (side + gap) + 20 + 17 * index, text, 13)),
    ),
  ];
  const lettering = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" fill="#1e1d1a">${words.join('')}</svg>`;
  return sharp({ create: { width, height, channels: 3, background: '#ffffff' } })
    .composite([...placed, { input: Buffer.from(lettering), left: 0, top: 0 }])
    .png()
    .toBuffer();
}

function fitted({ width, height, channels, data }: Raster, side: number): Promise<Buffer> {
  return sharp(data, { raw: { width, height, channels } })
    .resize({ width: side, height: side, fit: 'contain', background: '#ffffff' })
    .png({ compressionLevel: 1 })
    .toBuffer();
}

function textAt(x: number, y: number, text: string, size: number): string {
  const escaped = text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
  return `<text x="${x}" y="${y}" font-size="${size}">${escaped}</text>`;
}
