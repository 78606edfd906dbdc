import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { replaceFile } from '#local/replace-file.ts';
import { type CaseName, caseNames } from './case-names.ts';
import { type CasePhoto, type Facts, factNames } from './case-photos.ts';
import { csvLine, parseCsv } from './csv.ts';
import { type Measures, measureNames } from './measures.ts';

/** One answer to one photo: a line of results.csv. */
export type Result = {
  readonly case: CaseName;
  /** Who answered: a baseline, an unmasker, or an unmasker within the whole pipeline (`NAME+pipeline`). */
  readonly row: string;
  readonly file: string;
  /** Of the photo and of the networks: with other ones the line is no longer true. Empty in lines of evaluate.py. */
  readonly digest: string;
  readonly networks: string;
  /** False where the pipeline found no mask to take off; then nothing is measured. */
  readonly found: boolean;
  readonly measures: Measures;
  readonly facts: Facts;
};

const columns = ['case', 'row', 'file', 'digest', 'networks', 'found', ...measureNames, ...factNames];

/** Results by `resultKey`: of several lines with one key the last counts. Empty where there is no file. */
export async function readResults(file: string): Promise<ReadonlyMap<string, Result>> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  return new Map(
    parseCsv(text).flatMap((line) => {
      const name = caseNames.find((known) => known === line.case);
      if (name === undefined || !line.row || !line.file) return [];
      const result: Result = {
        case: name,
        row: line.row,
        file: line.file,
        digest: line.digest ?? '',
        networks: line.networks ?? '',
        found: line.found !== '0',
        measures: each(measureNames, (measure) => numberOf(line[measure])),
        facts: each(factNames, (fact) => line[fact] ?? ''),
      };
      return [[resultKey(result), result]];
    }),
  );
}

export const resultKey = ({ case: name, row, file }: Pick<Result, 'case' | 'row' | 'file'>): string =>
  JSON.stringify([name, row, file]);

/** The whole file anew, or not at all. */
export async function writeResults(file: string, results: Iterable<Result>): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  const lines = [csvLine(columns), ...Array.from(results, lineOf)];
  await replaceFile(file, new TextEncoder().encode(lines.join('')));
}

/** One more line; a file that was cut off in the middle of one loses that one alone. */
export const appendResult = (file: string, result: Result): Promise<void> => appendFile(file, lineOf(result));

export const resultOf = (
  { case: name, file, digest, facts }: CasePhoto,
  answer: Pick<Result, 'row' | 'networks' | 'found' | 'measures'>,
): Result => ({ case: name, file, digest, facts, ...answer });

function lineOf({ case: name, row, file, digest, networks, found, measures, facts }: Result): string {
  return csvLine([
    name,
    row,
    file,
    digest,
    networks,
    found ? '1' : '0',
    ...measureNames.map((measure) => numberText(measures[measure])),
    ...factNames.map((fact) => facts[fact]),
  ]);
}

/** Python writes and reads infinity as `inf`. */
function numberText(value: number | null): string {
  if (value === null || Number.isNaN(value)) return '';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  return String(Number(value.toPrecision(9)));
}

function numberOf(text: string | undefined): number | null {
  if (text === undefined || text === '' || text === 'nan') return null;
  if (text === 'inf') return Number.POSITIVE_INFINITY;
  const value = Number(text);
  return Number.isNaN(value) ? null : value;
}

function each<Name extends string, Value>(names: readonly Name[], of: (name: Name) => Value): Record<Name, Value> {
  return Object.fromEntries(names.map((name) => [name, of(name)])) as Record<Name, Value>;
}
