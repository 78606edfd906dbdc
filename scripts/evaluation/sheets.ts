import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { cropSize } from '#image/geometry.ts';
import { createRaster, type Plane, type Raster } from '#image/raster.ts';
import { warpRaster } from '#image/warp.ts';
import { replaceFile } from '#local/replace-file.ts';
import type { Codec } from '#pipeline/ports.ts';
import { drawContactSheet } from '#vision/contact-sheet.ts';
import { readRaster } from './answers.ts';
import { type CaseName, caseTitles } from './case-names.ts';
import type { CasePhoto } from './case-photos.ts';
import { atLeastHalf } from './measures.ts';
import { planeOf } from './planes.ts';
import { type Result, resultKey } from './results-file.ts';
import type { Row } from './rows.ts';
import { rowLabel } from './tables.ts';

export type SheetOptions = {
  readonly name: CaseName;
  readonly photos: readonly CasePhoto[];
  readonly rows: readonly Row[];
  readonly results: readonly Result[];
  /** The row whose figures say which faces are worst, median and best. */
  readonly judge: string;
  /** Faces of each kind. */
  readonly each: number;
  readonly codec: Codec;
  readonly folder: string;
};

/**
 * The worst, median and best faces of a case as one PNG: masked, every row's answer, truth (case V: the outline found by hand and by the
 * network instead). Answers are computed again. Undefined where nothing was measured.
 */
export async function writeSheet(options: SheetOptions): Promise<string | undefined> {
  const { name, codec, folder, judge } = options;
  const rows = options.rows.filter((row) => row.name !== 'masked');
  const chosen = chosenPhotos(options);
  if (chosen.length === 0) return undefined;
  const lines = [];
  for (const { photo, label } of chosen) {
    const pictures =
      photo.truth === undefined
        ? await realPictures(photo, rows, judge, codec)
        : await casePictures(photo, photo.truth, rows, codec);
    lines.push({ label, pictures });
  }
  const answers = rows.map((row) => rowLabel(row.name));
  const columns =
    name === 'V' ? ['outlined by hand', `found by ${judge}`, ...answers] : ['masked', ...answers, 'truth'];
  const title = `Case ${name}: ${caseTitles[name]}. Worst, median and best of ${judge}. What is under the mask is imagined.`;
  const file = join(folder, `case-${name}.png`);
  await mkdir(folder, { recursive: true });
  await replaceFile(file, await drawContactSheet({ title, columns, rows: lines }));
  return file;
}

type Chosen = { readonly photo: CasePhoto; readonly label: string };

function chosenPhotos({ name, photos, results, judge, each }: SheetOptions): readonly Chosen[] {
  const byKey = new Map(results.map((result) => [resultKey(result), result]));
  const judged = photos
    .filter((photo) => photo.case === name)
    .flatMap((photo) => {
      const measures = byKey.get(resultKey({ ...photo, row: judge }))?.measures;
      const score = name === 'V' ? measures?.iou : measures?.regionPsnr;
      return typeof score === 'number' ? [{ photo, score }] : [];
    })
    .sort((a, b) => a.score - b.score);
  const middle = Math.max(0, Math.floor((judged.length - each) / 2));
  const kinds = [
    ['worst', judged.slice(0, each)],
    ['median', judged.slice(middle, middle + each)],
    ['best', judged.slice(-each).reverse()],
  ] as const;
  const seen = new Set<CasePhoto>();
  return kinds.flatMap(([kind, members]) =>
    members.flatMap(({ photo, score }) => {
      if (seen.has(photo)) return [];
      seen.add(photo);
      const figure = name === 'V' ? `IoU ${score.toFixed(3)}` : `${score.toFixed(1)} dB`;
      return [{ photo, label: `${kind}\n${figure}\n${photo.file.replace(/^test\//, '')}` }];
    }),
  );
}

async function casePictures(
  photo: CasePhoto,
  truth: string,
  rows: readonly Row[],
  codec: Codec,
): Promise<readonly (Raster | undefined)[]> {
  const answers = [];
  for (const row of rows) answers.push((await row.answer(photo))?.raster);
  return [await readRaster(photo.photo, codec), ...answers, await readRaster(truth, codec)];
}

/** All in the aligned crop: the pipeline answers with the whole photo. */
async function realPictures(
  photo: CasePhoto,
  rows: readonly Row[],
  judge: string,
  codec: Codec,
): Promise<readonly (Raster | undefined)[]> {
  const { toCrop } = photo;
  if (!toCrop) return [];
  const crop = (raster: Raster) => warpRaster(raster, toCrop, cropSize, cropSize);
  const masked = crop(await readRaster(photo.photo, codec));
  const drawn = planeOf(await readRaster(photo.region, codec), 255);
  const answers: (Raster | undefined)[] = [];
  let found: Plane | undefined;
  for (const row of rows) {
    const answer = await row.answer(photo);
    answers.push(answer && (answer.probability ? answer.raster : crop(answer.raster)));
    if (row.name === judge && answer?.probability) found = atLeastHalf(answer.probability);
  }
  return [outlined(masked, drawn), found && outlined(masked, found), ...answers];
}

/** Magenta: no skin, mask or wall has it. */
const outlineColour = [255, 0, 255] as const;

function outlined({ width, height, channels, data }: Raster, region: Plane): Raster {
  const out = createRaster(width, height, channels, data.slice());
  const inside = (pixel: number) => (region.data[pixel] ?? 0) > 0;
  for (let pixel = 0; pixel < width * height; pixel++) {
    const right = (pixel + 1) % width === 0 ? pixel : pixel + 1;
    const below = pixel + width < width * height ? pixel + width : pixel;
    if (inside(pixel) === inside(right) && inside(pixel) === inside(below)) continue;
    out.data.set(outlineColour, pixel * channels);
  }
  return out;
}
