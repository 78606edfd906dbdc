/**
 * Faces of 40 to 2,000 px at any roll: a masked example portrait, rescaled and turned, in a larger photo. A few cases always; all of them,
 * as a table, with UNMASK_FACE_SIZES=all (a quarter of an hour). With UNMASK_DATA=FOLDER real photos too: FOLDER/scenes, crowds with hand-drawn
 * boxes (annotations.csv: file,xmin,ymin,xmax,ymax,label,split), FOLDER/masked/SPLIT, people wearing masks, and FOLDER/faces/SPLIT, upright
 * and turned by quarters. UNMASK_SPLIT: default test.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Box, intersectionOverUnion } from '#image/box.ts';
import { alignFace, applySimilarity, cropSize, invertSimilarity, type Similarity } from '#image/geometry.ts';
import { createRaster, type Raster } from '#image/raster.ts';
import { warpRaster } from '#image/warp.ts';
import type { Face } from '#pipeline/face.ts';
import type { Detector, Unmasker } from '#pipeline/ports.ts';
import { createCodec } from '#vision/codec.ts';
import { loadModels } from '#vision/model.ts';
import { openDetector } from '#vision/open-detector.ts';
import { createUnmasker } from '#vision/unmasker.ts';

const project = join(import.meta.dirname, '..', '..');
const codec = createCodec();

let detector: Detector;
let unmasker: Unmasker;
beforeAll(async () => {
  const models = await loadModels(join(project, 'models'));
  detector = openDetector(models);
  unmasker = createUnmasker(models.lazily('rescnn'));
});

async function open(file: string): Promise<Raster> {
  const decoded = await codec.decode(await readFile(file));
  if ('rejected' in decoded) throw new Error(`Expected ${file} to be a photo.`);
  return decoded.raster;
}

/** The head of each portrait as the detector sees it at the portrait's own size: what `size` below measures. */
const portraits = {
  frontal: { x: 193, y: 64, width: 97, height: 106 },
  patterned: { x: 126, y: 82, width: 287, height: 334 },
  'large-face': { x: 112, y: 103, width: 489, height: 556 },
  'under-nose': { x: 158, y: 79, width: 183, height: 214 },
} as const;
type Portrait = keyof typeof portraits;

type Case = { readonly portrait: Portrait; readonly size: number; readonly roll: number };

const frameOf = (size: number): readonly [number, number] =>
  size <= 500 ? [2000, 1500] : size <= 1000 ? [1300, 1300] : [2600, 2600];

/** The portrait with its face `size` px high, turned clockwise by `roll` degrees, in the middle of another photo. */
async function photoOf({ portrait, size, roll }: Case): Promise<{ readonly photo: Raster; readonly face: Box }> {
  const picture = await open(join(project, `examples/photos/${portrait}.jpg`));
  const head = portraits[portrait];
  const [width, height] = frameOf(size);
  const [scale, turn] = [size / head.height, (roll * Math.PI) / 180];
  const [a, b] = [scale * Math.cos(turn), scale * Math.sin(turn)];
  const [x, y] = [head.x + head.width / 2, head.y + head.height / 2];
  const toPhoto = { a, b, tx: width / 2 - (a * x - b * y), ty: height / 2 - (b * x + a * y) };
  const background = await open(join(project, 'examples/photos/no-face.jpg'));
  const enlarge = Math.max(width / background.width, height / background.height);
  const photo = warpRaster(background, { a: enlarge, b: 0, tx: 0, ty: 0 }, width, height);
  layOver(photo, warpRaster(picture, toPhoto, width, height), toPhoto, picture);
  return { photo, face: { x: (width - size) / 2, y: (height - size) / 2, width: size, height: size } };
}

function layOver(photo: Raster, warped: Raster, toPhoto: Similarity, { width, height }: Raster): void {
  const inverse = invertSimilarity(toPhoto);
  for (let y = 0; y < photo.height; y++) {
    const start = applySimilarity(inverse, { x: 0, y });
    for (let x = 0; x < photo.width; x++) {
      const [u, v] = [start.x + x * inverse.a, start.y + x * inverse.b];
      if (u < 0 || v < 0 || u > width - 1 || v > height - 1) continue;
      const at = (y * photo.width + x) * 3;
      for (let c = 0; c < 3; c++) photo.data[at + c] = warped.data[at + c]!;
    }
  }
}

/** What becomes of the one face: `unmasked`, or where it was lost. */
async function outcomeOf(one: Case): Promise<string> {
  const { photo, face } = await photoOf(one);
  const found = (await detector.localise(photo)).filter(({ box }) => intersectionOverUnion(box, face) > 0.25);
  const [only] = found;
  if (!only) return 'missed';
  if (found.length > 1) return 'twice';
  if (!only.masked) return 'bare';
  const { region } = await unmasker.unmask(warpRaster(photo, alignFace(only), cropSize, cropSize));
  return region.data.some((inside) => inside > 0) ? 'unmasked' : 'no region';
}

test.each<Case>([
  { portrait: 'patterned', size: 40, roll: 0 },
  { portrait: 'under-nose', size: 60, roll: 0 },
  { portrait: 'frontal', size: 100, roll: 90 },
  { portrait: 'patterned', size: 200, roll: 180 },
  { portrait: 'large-face', size: 500, roll: 45 },
  { portrait: 'patterned', size: 1000, roll: 270 },
  { portrait: 'frontal', size: 2000, roll: 0 },
  { portrait: 'under-nose', size: 2000, roll: 270 },
])(
  'a face of $size px, turned by $roll degrees, is found once, called masked and unmasked ($portrait)',
  async (one) => {
    expect(await outcomeOf(one)).toBe('unmasked');
  },
);

const sizes = [40, 60, 100, 200, 500, 1000, 2000];
const rolls = [0, 45, 90, 180, 270];

test.runIf(process.env.UNMASK_FACE_SIZES === 'all')(
  'every size and roll, as a table',
  { timeout: 3_600_000 },
  async () => {
    const rows: Record<string, Record<string, string>> = {};
    for (const size of sizes) {
      const row: Record<string, string> = {};
      for (const roll of rolls) {
        const outcomes: string[] = [];
        for (const portrait of Object.keys(portraits) as Portrait[]) {
          outcomes.push(await outcomeOf({ portrait, size, roll }));
        }
        const lost = outcomes.filter((outcome) => outcome !== 'unmasked');
        row[`${roll}°`] =
          `${outcomes.length - lost.length}/${outcomes.length}${lost.length > 0 ? ` (${lost.join(', ')})` : ''}`;
      }
      rows[`${size} px`] = row;
    }
    console.table(rows);
  },
);

describe('on real photos', () => {
  const folder = process.env.UNMASK_DATA;
  if (!folder) console.warn('UNMASK_DATA is not set: recall on real photos is not measured.');

  test.runIf(folder)('recall by size and turn, as a table', { timeout: 3_600_000 }, async () => {
    const scenes = await readScenes(join(folder ?? '', 'scenes'), process.env.UNMASK_SPLIT ?? 'test');
    const rows: Record<string, Record<string, string>> = {};
    for (const turns of [0, 1, 2, 3]) {
      const counts = {
        small: [0, 0],
        large: [0, 0],
        calledMasked: [0, 0],
        unsure: [0, 0],
        falseFaces: 0,
        falselyMasked: 0,
      };
      for (const { file, faces } of scenes) {
        const photo = await open(file);
        const found = await detector.localise(turned(photo, turns));
        const unmatched = new Set(found);
        for (const { box, masked } of faces) {
          const match = bestMatch(turnedBox(box, photo, turns), unmatched);
          if (match) unmatched.delete(match);
          const longer = Math.max(box.width, box.height);
          if (longer < 20) continue;
          add(longer < 40 ? counts.small : counts.large, match !== undefined);
          if (match && masked) add(counts.calledMasked, match.masked);
          if (match) add(counts.unsure, match.unsure === true);
        }
        counts.falseFaces += unmatched.size;
        counts.falselyMasked += [...unmatched].filter(({ masked }) => masked).length;
      }
      rows[`turned by ${turns * 90}°`] = {
        'faces of 20 to 40 px': share(counts.small),
        'of 40 px and more': share(counts.large),
        'called masked': share(counts.calledMasked),
        unsure: share(counts.unsure),
        'false faces': `${counts.falseFaces}, ${counts.falselyMasked} masked`,
      };
    }
    console.table(rows);
    expect(scenes.length).toBeGreaterThan(0);
  });

  test.runIf(folder)(
    'verdict on photos with a mask and without, by turn, as a table',
    { timeout: 3_600_000 },
    async () => {
      const split = process.env.UNMASK_SPLIT ?? 'test';
      const rows: Record<string, Record<string, number>> = {};
      for (const kind of ['masked', 'faces'] as const) {
        const files = await photosOf(join(folder ?? '', kind, split), 100);
        for (const turns of [0, 1, 2, 3]) {
          const row = { masked: 0, bare: 0, 'no face': 0 };
          for (const file of files) {
            const found = await detector.localise(turned(await open(file), turns));
            row[found.length === 0 ? 'no face' : found.some(({ masked }) => masked) ? 'masked' : 'bare'] += 1;
          }
          rows[`${kind === 'masked' ? 'with a mask' : 'without'}, turned by ${turns * 90}°`] = row;
          const right = kind === 'masked' ? row.masked : row.bare;
          expect(right / files.length).toBeGreaterThan(0.9);
        }
      }
      console.table(rows);
    },
  );
});

/** So many of the folder's photos, evenly spread. */
async function photosOf(folder: string, most: number): Promise<readonly string[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.jpg')).sort();
  const stride = Math.max(1, names.length / most);
  return Array.from({ length: Math.min(most, names.length) }, (_, i) => join(folder, names[Math.floor(i * stride)]!));
}

type Scene = { readonly file: string; readonly faces: { readonly box: Box; readonly masked: boolean }[] };

async function readScenes(folder: string, wanted: string): Promise<readonly Scene[]> {
  const scenes = new Map<string, Scene>();
  const [, ...lines] = (await readFile(join(folder, 'annotations.csv'), 'utf8')).trim().split(/\r?\n/);
  for (const line of lines) {
    const [file = '', left, top, right, bottom, label, split] = line.split(',');
    if (split !== wanted) continue;
    const [x, y] = [Number(left), Number(top)];
    const scene = scenes.get(file) ?? { file: join(folder, file), faces: [] };
    scene.faces.push({
      box: { x, y, width: Number(right) - x, height: Number(bottom) - y },
      masked: label === 'with_mask',
    });
    scenes.set(file, scene);
  }
  return [...scenes.values()];
}

/** Clockwise by so many quarters. */
function turned({ width, height, channels, data }: Raster, turns: number): Raster {
  const out = turns % 2 === 0 ? createRaster(width, height, channels) : createRaster(height, width, channels);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const { x: column, y: row } = turnedBox({ x, y, width: 1, height: 1 }, { width, height }, turns);
      for (let c = 0; c < channels; c++)
        out.data[(row * out.width + column) * channels + c] = data[(y * width + x) * channels + c]!;
    }
  }
  return out;
}

function turnedBox({ x, y, width, height }: Box, photo: Pick<Raster, 'width' | 'height'>, turns: number): Box {
  if (turns === 0) return { x, y, width, height };
  if (turns === 1) return { x: photo.height - y - height, y: x, width: height, height: width };
  if (turns === 2) return { x: photo.width - x - width, y: photo.height - y - height, width, height };
  return { x: y, y: photo.width - x - width, width: height, height: width };
}

/** A hand-drawn box and the network's differ in how much forehead and chin they take. */
const sameFaceIou = 0.4;

function bestMatch(box: Box, faces: ReadonlySet<Face>): Face | undefined {
  const [best] = [...faces].sort((a, b) => intersectionOverUnion(b.box, box) - intersectionOverUnion(a.box, box));
  return best && intersectionOverUnion(best.box, box) >= sameFaceIou ? best : undefined;
}

function add(count: number[], hit: boolean): void {
  count[0] = (count[0] ?? 0) + (hit ? 1 : 0);
  count[1] = (count[1] ?? 0) + 1;
}

const share = ([hits = 0, all = 0]: readonly number[]): string => `${hits}/${all} (${(hits / all).toFixed(2)})`;
