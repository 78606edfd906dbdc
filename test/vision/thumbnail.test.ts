import sharp from 'sharp';
import { expect, test } from 'vitest';
import { makeThumbnails } from '#vision/thumbnail.ts';

const limits = { side: 64, maxBytes: 10_000 };

/** Left half red, right half blue, 200x100. */
const twoColours = () =>
  sharp({ create: { width: 200, height: 100, channels: 3, background: '#f00' } }).composite([
    { input: { create: { width: 100, height: 100, channels: 3, background: '#00f' } }, left: 100, top: 0 },
  ]);

const colourOf = async (picture: Uint8Array) => {
  const { channels } = await sharp(picture).stats();
  return channels.slice(0, 3).map(({ mean }) => (mean > 200 ? 1 : 0));
};

test('each view is cut from the photo and made small', async () => {
  const bytes = await twoColours().png().toBuffer();
  const views = [
    { x: 0, y: 0, width: 100, height: 100 },
    { x: 100, y: 0, width: 100, height: 100 },
  ];
  const [red, blue] = (await makeThumbnails(bytes, { width: 200, height: 100, views, ...limits }))!;
  expect(await colourOf(red!)).toEqual([1, 0, 0]);
  expect(await colourOf(blue!)).toEqual([0, 0, 1]);
  expect(await sharp(blue).metadata()).toMatchObject({ format: 'webp', width: 64, height: 64 });
});

test('views are of the upright photo', async () => {
  // Orientation 6: the stored left side is the upright top.
  const bytes = await twoColours().withMetadata({ orientation: 6 }).jpeg({ chromaSubsampling: '4:4:4' }).toBuffer();
  const views = [{ x: 0, y: 0, width: 100, height: 90 }];
  const [top] = (await makeThumbnails(bytes, { width: 100, height: 200, views, ...limits }))!;
  expect(await colourOf(top!)).toEqual([1, 0, 0]);
});

test('a thumbnail carries no metadata', async () => {
  const bytes = await twoColours()
    .withExif({ IFD3: { GPSLatitude: '51/1 30/1 0/1', GPSLatitudeRef: 'N' } })
    .withXmp('<x:xmpmeta xmlns:x="adobe:ns:meta/"></x:xmpmeta>')
    .jpeg()
    .toBuffer();
  const views = [{ x: 0, y: 0, width: 200, height: 100 }];
  const [picture] = (await makeThumbnails(bytes, { width: 200, height: 100, views, ...limits }))!;
  const { exif, xmp, icc } = await sharp(picture).metadata();
  expect([exif, xmp, icc]).toEqual([undefined, undefined, undefined]);
});

test('a thumbnail of pure noise still fits into its bytes', async () => {
  const noise = Uint8Array.from(
    { length: 400 * 400 * 3 },
    (_, index) => (Math.imul(index + 1, 2654435761) >>> 13) & 255,
  );
  const bytes = await sharp(noise, { raw: { width: 400, height: 400, channels: 3 } })
    .png()
    .toBuffer();
  const views = [{ x: 0, y: 0, width: 400, height: 400 }];
  const [picture] = (await makeThumbnails(bytes, { width: 400, height: 400, views, side: 320, maxBytes: 3000 }))!;
  expect(picture!.length).toBeLessThanOrEqual(3000);
});

test('grey, alpha, 16 bits and CMYK all become thumbnails', async () => {
  const photo = twoColours();
  const kinds = [
    await photo.clone().greyscale().png().toBuffer(),
    await photo.clone().ensureAlpha(0.5).webp().toBuffer(),
    await photo.clone().toColourspace('rgb16').png().toBuffer(),
    await photo.clone().toColourspace('cmyk').jpeg().toBuffer(),
  ];
  const views = [{ x: 20, y: 20, width: 60, height: 60 }];
  for (const bytes of kinds) {
    const [picture] = (await makeThumbnails(bytes, { width: 200, height: 100, views, ...limits }))!;
    expect(await sharp(picture).metadata()).toMatchObject({ format: 'webp', width: 60, height: 60, channels: 3 });
  }
});

test('bytes that are no picture, or one of another size, have no thumbnails', async () => {
  const views = [{ x: 0, y: 0, width: 10, height: 10 }];
  const wanted = { width: 200, height: 100, views, ...limits };
  const other = await sharp({ create: { width: 100, height: 100, channels: 3, background: '#000' } })
    .png()
    .toBuffer();
  expect(await makeThumbnails(new TextEncoder().encode('not a picture'), wanted)).toBeUndefined();
  expect(await makeThumbnails(new Uint8Array(), wanted)).toBeUndefined();
  expect(await makeThumbnails(other, wanted)).toBeUndefined();
});
