import { type CaseName, caseNames } from './case-names.ts';
import { type MeasureName, measureNames } from './measures.ts';
import type { Result } from './results-file.ts';
import { bootstrapInterval, mean, median } from './statistics.ts';

export type Figure = {
  readonly mean: number | null;
  readonly median: number | null;
  /** 95 % bootstrap interval of the mean; null for measures whose mean is not quoted. */
  readonly low: number | null;
  readonly high: number | null;
};

/** One line of a case's table. */
export type RowSummary = {
  readonly case: CaseName;
  readonly row: string;
  /** Photos that were asked about, and those in which something was found and measured. */
  readonly photos: number;
  readonly n: number;
  readonly figures: Readonly<Record<MeasureName | 'aboveHarmonic', Figure>>;
};

/** Baselines come from evaluate.py; the networks' order is that of the results. */
export const baselineRows = ['harmonic', 'telea', 'ridge', 'kernel-ridge'] as const;
export const isBaseline = (row: string): boolean => baselineRows.some((baseline) => baseline === row);

const quoted: readonly string[] = ['regionPsnr', 'regionSsim', 'psnr', 'ssim', 'gradientEnergy', 'iou'];

/** Case by case in the order of `caseNames`, row by row in the order given. 2 s for everything. */
export function summariseResults(results: readonly Result[], rowOrder: readonly string[]): readonly RowSummary[] {
  const harmonic = new Map(
    results
      .filter(({ row }) => row === 'harmonic')
      .map((result) => [photoKey(result), result.measures.regionPsnr ?? Number.NaN]),
  );
  const byLine = Map.groupBy(results, ({ case: name, row }) => JSON.stringify([name, row]));
  return caseNames.flatMap((name) =>
    rowOrder.flatMap((row) => {
      const of = byLine.get(JSON.stringify([name, row]));
      return of ? [summaryOf(name, row, of, harmonic)] : [];
    }),
  );
}

export function summaryOf(
  name: CaseName,
  row: string,
  results: readonly Result[],
  harmonic: ReadonlyMap<string, number>,
): RowSummary {
  const found = results.filter((result) => result.found);
  const above = found.map((result) =>
    row === 'harmonic'
      ? Number.NaN
      : (result.measures.regionPsnr ?? Number.NaN) - (harmonic.get(photoKey(result)) ?? Number.NaN),
  );
  const figures = measureNames.map((measure) => {
    const values = found.flatMap(({ measures }) => measures[measure] ?? []);
    return [measure, figureOf(values, quoted.includes(measure))] as const;
  });
  return {
    case: name,
    row,
    photos: results.length,
    n: found.length,
    figures: { ...recordOf(figures), aboveHarmonic: figureOf(above, true) },
  };
}

const recordOf = (entries: readonly (readonly [MeasureName, Figure])[]): Record<MeasureName, Figure> =>
  Object.fromEntries(entries) as Record<MeasureName, Figure>;

function figureOf(values: readonly number[], withInterval: boolean): Figure {
  const interval = withInterval ? bootstrapInterval(values) : { low: Number.NaN, high: Number.NaN };
  return {
    mean: known(mean(values)),
    median: known(median(values)),
    low: known(interval.low),
    high: known(interval.high),
  };
}

const known = (value: number): number | null => (Number.isNaN(value) ? null : value);
export const photoKey = ({ case: name, file }: Pick<Result, 'case' | 'file'>): string => JSON.stringify([name, file]);
