import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Similarity } from '#image/geometry.ts';
import { UsageError } from '../commands/exit-codes.ts';
import { type CaseName, caseNames } from './case-names.ts';
import { parseCsv } from './csv.ts';

/** One photo of a case, as render_cases.py wrote it. Paths are absolute. */
export type CasePhoto = {
  readonly case: CaseName;
  /** Names the face or the photo in the data folder; unique within the case. */
  readonly file: string;
  readonly photo: string;
  /** The same face without the mask; undefined for case V, where nobody knows it. */
  readonly truth: string | undefined;
  /** Pixels that the garment covers; in the photo's framing, for case V in the crop's. */
  readonly region: string;
  /** Photo -> aligned crop, from the true eyes; undefined where the photo is the crop. */
  readonly toCrop: Similarity | undefined;
  /** Of all pixels: another digest is another photo. */
  readonly digest: string;
  readonly facts: Facts;
};

/** What is known of the face and its mask; empty texts where it is not. */
export type Facts = Readonly<Record<(typeof factNames)[number], string>>;
export const factNames = [
  'source',
  'soft',
  'family',
  'wear',
  'ita',
  'nose',
  'grey',
  'mouth',
  'age',
  'glasses',
  'beard',
] as const;

const optionalNumber = z
  .string()
  .transform((text) => (text === '' ? undefined : Number(text)))
  .refine((value) => value === undefined || Number.isFinite(value), 'must be a number');

const lineSchema = z.object({
  case: z.enum(caseNames),
  file: z.string().min(1),
  photo: z.string().min(1),
  truth: z.string(),
  region: z.string().min(1),
  a: optionalNumber,
  b: optionalNumber,
  tx: optionalNumber,
  ty: optionalNumber,
  digest: z.string().min(1),
  source: z.string(),
  soft: z.string(),
  family: z.string(),
  wear: z.string(),
  ita: z.string(),
  nose: z.string(),
  grey: z.string(),
  mouth: z.string(),
  age: z.string(),
  glasses: z.string(),
  beard: z.string(),
});

export type CasePhotosOptions = {
  /** What render_cases.py wrote. */
  readonly rendered: string;
  /** Its --data folder: the real masked photos of case V. Without it case V is left out. */
  readonly data?: string | undefined;
};

/** Every photo that there is to measure on. @throws UsageError when the folder holds none. */
export async function casePhotos({ rendered, data }: CasePhotosOptions): Promise<readonly CasePhoto[]> {
  const index = join(rendered, 'index.csv');
  const text = await readFile(index, 'utf8').catch(() => {
    throw new UsageError(
      `Expected the evaluation's photos in ${rendered}, but there is no index.csv. Make them: python models/training/render_cases.py --data DATA --out ${rendered}`,
    );
  });
  const lines = z.array(lineSchema).safeParse(parseCsv(text));
  if (!lines.success) throw new UsageError(`Expected ${index} to be as render_cases.py writes it. Make it again.`);
  return lines.data.flatMap(({ case: name, file, photo, truth, region, a, b, tx, ty, digest, ...facts }) => {
    const folder = name === 'V' ? data && join(data, 'masked') : rendered;
    if (!folder) return [];
    const known = a !== undefined && b !== undefined && tx !== undefined && ty !== undefined;
    return [
      {
        case: name,
        file,
        photo: join(folder, photo),
        truth: truth === '' ? undefined : join(rendered, truth),
        region: join(rendered, region),
        toCrop: known ? { a, b, tx, ty } : undefined,
        digest,
        facts,
      },
    ];
  });
}

/** The photos of these cases, of each case so many, evenly spread; default all. */
export function selectPhotos(
  photos: readonly CasePhoto[],
  { cases, faces }: { readonly cases: readonly CaseName[]; readonly faces?: number | undefined },
): readonly CasePhoto[] {
  return cases.flatMap((name) =>
    evenlySpread(
      photos.filter((photo) => photo.case === name),
      faces,
    ),
  );
}

/** The places that NumPy's linspace gives: evaluate.py --limit takes the same faces. */
function evenlySpread<Item>(items: readonly Item[], count: number | undefined): readonly Item[] {
  if (count === undefined || count >= items.length) return items;
  const step = count > 1 ? (items.length - 1) / (count - 1) : 0;
  return Array.from({ length: count }, (_, index) => items[Math.floor(index * step)]).flatMap((item) => item ?? []);
}
