import type { MetricsRecord } from '#pipeline/metrics-record.ts';
import { photoPath } from '#pipeline/photo.ts';
import type { Store } from '#pipeline/ports.ts';
import type { MakeThumbnails } from '#vision/thumbnail.ts';
import { browserFile } from './browser-file.ts';
import { type Card, type CardSide, comparePage } from './compare-page.ts';
import { type Comparison, differencesIn, hasChangedStatus, isIdentical, type Pair } from './comparison.ts';
import { earlierPictures } from './earlier-pictures.ts';
import { type PhotoPictures, takePictures } from './pictures.ts';
import { shownName } from './shown-name.ts';

/** One of the two runs. */
export type ComparedRun = {
  /** As the person gave it. */
  readonly location: string;
  readonly records: readonly MetricsRecord[];
  readonly results: Store;
};

export type ComparisonTools = {
  /** The originals. Without them a picture of before is shown where a report beside the results has it. */
  readonly photos?: Store;
  readonly thumbnails: MakeThumbnails;
};

/** Photos whose pictures go into the page: three of 10 KB each, base64, are 8 MB. */
export const maxShown = 200;

/**
 * One self-contained HTML page about two runs: figures, and the faces that differ side by side, the most changed first. The same input
 * gives the same page. Three objects for each photo that is shown, fewer where a report has its pictures: about 40 ms a photo.
 */
export async function buildComparison(
  comparison: Comparison,
  [a, b]: readonly [ComparedRun, ComparedRun],
  { photos, thumbnails, generatedAt }: ComparisonTools & { readonly generatedAt: Date },
): Promise<string> {
  const differing = differingPairs(comparison.pairs);
  const shown = differing.slice(0, maxShown);
  const picturesOf = async ({ results }: ComparedRun, records: readonly MetricsRecord[]) =>
    takePictures(records, { results, photos, thumbnails, earlier: await earlierPictures(results) });
  const picturesA = await picturesOf(
    a,
    shown.map((pair) => pair.a),
  );
  const picturesB = await picturesOf(
    b,
    shown.map((pair) => pair.b),
  );
  const cards = shown.flatMap((pair) => cardsOf(pair, picturesA.get(pair.key), picturesB.get(pair.key)));
  const style = `${await browserFile('report.css')}\n${await browserFile('compare.css')}`;
  const sides = [a, b].map(({ location, records }) => ({
    location,
    models: modelsOf(records),
    photos: records.length,
  }));
  const [sideA, sideB] = sides;
  if (!sideA || !sideB) throw new Error('Expected two runs to compare.');
  return comparePage({ comparison, sides: [sideA, sideB], cards, differing: differing.length, style, generatedAt })
    .markup;
}

export const modelsOf = (records: readonly MetricsRecord[]): string =>
  [...new Set(records.map(({ model }) => `${model.name} ${model.version}`))].sort().join(', ');

/** Changed status first, then by how much quality, or else the seam, moved; what is the same in both is left out. */
function differingPairs(pairs: readonly Pair[]): readonly Pair[] {
  const moved = (pair: Pair, measure: 'regionPsnr' | 'seam') =>
    Math.max(0, ...differencesIn(pair, measure).map(Math.abs));
  return pairs
    .filter((pair) => hasChangedStatus(pair) || (pair.a.unmasked !== undefined && !isIdentical(pair)))
    .map((pair) => ({
      pair,
      changed: Number(hasChangedStatus(pair)),
      psnr: moved(pair, 'regionPsnr'),
      seam: moved(pair, 'seam'),
    }))
    .sort((one, other) => other.changed - one.changed || other.psnr - one.psnr || other.seam - one.seam)
    .map(({ pair }) => pair);
}

/** A card a face that both found; of a photo that only one of them unmasked, a card a face of that one. */
function cardsOf(
  pair: Pair,
  picturesA: PhotoPictures | undefined,
  picturesB: PhotoPictures | undefined,
): readonly Card[] {
  const { a, b } = pair;
  const name = shownName(photoPath(pair.key));
  const unmasked = (record: MetricsRecord, index: number) => record.unmasked && record.faces[index]?.seam !== null;
  const matched = pair.faces.filter((face) => unmasked(a, face.a) || unmasked(b, face.b));
  const alone = (record: MetricsRecord, side: 'a' | 'b') =>
    record.faces.flatMap((_, index) =>
      unmasked(record, index) && !pair.faces.some((face) => face[side] === index) ? [index] : [],
    );
  const cards = [
    ...matched.map((face) => ({ a: face.a, b: face.b })),
    ...alone(a, 'a').map((index) => ({ a: index, b: undefined })),
    ...alone(b, 'b').map((index) => ({ a: undefined, b: index })),
  ];
  if (cards.length === 0) {
    const before = picturesA?.still ?? picturesB?.still;
    return [{ name, number: 1, of: 1, before, a: sideOf(a, undefined, picturesA), b: sideOf(b, undefined, picturesB) }];
  }
  return cards.map((face, index) => ({
    name,
    number: index + 1,
    of: cards.length,
    before: beforeOf(picturesA, face.a) ?? beforeOf(picturesB, face.b) ?? picturesA?.still ?? picturesB?.still,
    a: sideOf(a, face.a, picturesA),
    b: sideOf(b, face.b, picturesB),
  }));
}

const beforeOf = (pictures: PhotoPictures | undefined, face: number | undefined): string | undefined =>
  face === undefined ? undefined : pictures?.faces.get(face)?.before;

function sideOf(record: MetricsRecord, index: number | undefined, pictures: PhotoPictures | undefined): CardSide {
  const face = index === undefined ? undefined : record.faces[index];
  const { status, reason } = record;
  return {
    status,
    reason: reason?.message,
    picture: index === undefined ? undefined : pictures?.faces.get(index)?.after,
    quality: face?.quality ?? null,
    seam: face?.seam ?? null,
  };
}
