import { type DuckDBConnection, type DuckDBResult, type DuckDBValue, StatementType } from '@duckdb/node-api';
import { tableNames } from './columns.ts';
import { sentenceOf } from './sql-error.ts';

/** The SQL is not one that can be answered; the message is a sentence, and what to do. */
export class SqlError extends Error {
  override readonly name = 'SqlError';
}

export type Answer = {
  /** Each name once: the second `count` is `count:1`. */
  readonly columns: readonly AnswerColumn[];
  /** A few thousand rows at a time, computed as they are read. */
  readonly rows: AsyncIterable<readonly (readonly DuckDBValue[])[]>;
};

export type AnswerColumn = { readonly name: string; readonly numeric: boolean };

/**
 * Runs one SELECT (or DESCRIBE, SHOW, SUMMARIZE) over the tables.
 * @throws SqlError, also while rows are read.
 */
export async function ask(connection: DuckDBConnection, sql: string): Promise<Answer> {
  const result = await explained(async () => {
    const statements = await connection.extractStatements(sql);
    if (statements.count !== 1)
      throw new SqlError(`Expected one question but received ${statements.count} statements.`);
    // A change of a view fails before DuckDB says what kind of statement it is.
    const [change] = /^(INSERT|UPDATE|DELETE|MERGE|TRUNCATE|ALTER)\b/i.exec(sql.trim()) ?? [];
    if (change !== undefined) throw noQuestion(change.toUpperCase());
    const statement = await statements.prepare(0);
    if (statement.statementType !== StatementType.SELECT) throw noQuestion(StatementType[statement.statementType]);
    return statement.stream();
  });
  return { columns: columnsOf(result), rows: rowsOf(result) };
}

const noQuestion = (kind: string): SqlError =>
  new SqlError(`Expected a question, SELECT ..., but received ${kind}: the manifest is only read, never changed.`);

const numbers = /^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|BIGNUM|FLOAT|DOUBLE|DECIMAL.*)$/;

function columnsOf(result: DuckDBResult): readonly AnswerColumn[] {
  return result
    .deduplicatedColumnNames()
    .map((name, index) => ({ name, numeric: numbers.test(result.columnType(index).toString()) }));
}

async function* rowsOf(result: DuckDBResult): AsyncGenerator<readonly (readonly DuckDBValue[])[]> {
  for (;;) {
    const chunk = await explained(() => result.fetchChunk());
    if (!chunk || chunk.rowCount === 0) return;
    yield chunk.getRows();
  }
}

async function explained<Result>(asking: () => Promise<Result>): Promise<Result> {
  try {
    return await asking();
  } catch (cause) {
    if (cause instanceof SqlError || !(cause instanceof Error)) throw cause;
    throw new SqlError(explanationOf(cause), { cause });
  }
}

function explanationOf(error: Error): string {
  if (/^(Permission Error|.*disabled (by|through) configuration)/.test(error.message)) {
    return `SQL here reads ${tableNames.slice(0, -1).join(', ')} and ${tableNames.at(-1)}, no files and no network.`;
  }
  if (error.message === 'Error in native callback') return 'Expected a question in SQL but received none.';
  return `The SQL cannot be answered: ${sentenceOf(error)} \`query "describe photos"\` lists the columns of a table; the tables are ${tableNames.join(', ')}.`;
}
