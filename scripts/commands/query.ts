import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { ask, SqlError } from '../query/ask.ts';
import { cacheFolder } from '../query/cache-folder.ts';
import { type CannedQuestion, sqlOf } from '../query/canned-question.ts';
import { openTables } from '../query/open-tables.ts';
import { type Format, printAnswer, tableRows } from '../query/print-answer.ts';
import { segmentFiles } from '../query/segment-files.ts';
import { createCounter } from './counter.ts';
import { UsageError } from './exit-codes.ts';
import { openResults } from './open-results.ts';
import type { AccountOptions } from './options.ts';
import { readManifest } from './read-manifest.ts';

export type QueryOptions = AccountOptions &
  Omit<CannedQuestion, 'since'> & {
    /** A folder of results, or s3://bucket. */
    readonly results: string;
    readonly since?: string;
    readonly showSql?: boolean;
    readonly format?: Format;
    readonly csv?: boolean;
    readonly json?: boolean;
  };

/** `unmask query`: SQL, or a canned question, over the manifest of results that are there already. Changes nothing. */
export async function query(given: string | undefined, options: QueryOptions): Promise<void> {
  const sql = await sqlAsked(given, options);
  if (options.showSql) return console.log(sql);
  const { store: results, folder } = await openResults(options.results, options);
  const { segments } = await readManifest(results, options.results);
  const cache = cacheFolder();
  const counter = createCounter('segments fetched', segments.length);
  const files = () =>
    segmentFiles(segments, { results, folder, cache, onFetched: counter.reached }).finally(counter.stop);
  // In a folder they are verified each time, while the question is worked on; those of a bucket once, when they are fetched.
  const verified = folder === undefined ? undefined : files();
  verified?.catch(() => {}); // Awaited below, whatever else goes wrong meanwhile.
  const tables = await openTables({
    segments,
    files: () => verified ?? files(),
    cache,
    onReading: (records) => note(`Reading ${thousands(records)} records, once; the next questions find them read.`),
  });
  try {
    const answer = await ask(tables.connection, sql);
    await verified;
    await printAnswer(answer, {
      format: formatOf(options),
      onCut: () => note(`The first ${thousands(tableRows)} rows; --csv and --json print all, LIMIT in the SQL fewer.`),
    });
  } catch (error) {
    throw error instanceof SqlError ? new UsageError(error.message, { cause: error }) : error;
  } finally {
    tables.close();
  }
}

async function sqlAsked(given: string | undefined, { status, worst, since, facesMin }: QueryOptions): Promise<string> {
  const flags = [status, worst, since, facesMin].filter((flag) => flag !== undefined);
  if (given === undefined)
    return sqlOf({ status, worst, facesMin, since: since === undefined ? since : dateOf(since) });
  if (flags.length > 0) {
    throw new UsageError(
      'Expected SQL or flags but received both; --show-sql prints the SQL of the flags, to go on from.',
    );
  }
  if (given === '-') return text(process.stdin);
  if (!/\s/.test(given.trim())) {
    throw new UsageError(
      `Expected SQL in quotes but received ${JSON.stringify(given)}; where the results are is said with --results.`,
    );
  }
  return given;
}

const dateSchema = z.union([z.iso.date(), z.iso.datetime({ offset: true })]);

function dateOf(since: string): Date {
  if (dateSchema.safeParse(since).success) return new Date(since);
  throw new UsageError(`Expected a date, 2026-11-01 or 2026-11-01T18:00:00Z, but received ${JSON.stringify(since)}.`);
}

function formatOf({ format = 'table', csv, json }: QueryOptions): Format {
  if (csv) return 'csv';
  return json ? 'ndjson' : format;
}

const note = (sentence: string): void => console.error(sentence);

const thousands = (count: number): string => count.toLocaleString('en');
