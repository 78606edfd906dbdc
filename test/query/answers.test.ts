import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { DuckDBInstance } from '@duckdb/node-api';
import { describe, expect, test } from 'vitest';
import { ask } from '../../scripts/query/ask.ts';
import { type Format, printAnswer, tableRows } from '../../scripts/query/print-answer.ts';

const database = await DuckDBInstance.create(':memory:');

type Shown = { readonly text: string; readonly cut: boolean };

async function shown(sql: string, format: Format, terminal?: { readonly columns: number }): Promise<Shown> {
  const connection = await database.connect();
  await connection.run("SET TimeZone = 'America/New_York'"); // Must not matter.
  const stdout = Object.assign(new PassThrough(), terminal && { isTTY: true, ...terminal });
  const reading = text(stdout);
  let cut = false;
  await printAnswer(await ask(connection, sql), {
    format,
    stdout: stdout as unknown as NodeJS.WriteStream,
    onCut: () => {
      cut = true;
    },
  });
  stdout.end();
  return { text: await reading, cut };
}

const value = async (sql: string): Promise<string> => {
  const { text } = await shown(`SELECT ${sql} AS v`, 'ndjson');
  return text.slice('{"v":'.length, -'}\n'.length);
};

describe('as JSON', () => {
  const values: readonly (readonly [sql: string, json: string])[] = [
    ['NULL', 'null'],
    ['true', 'true'],
    ['1::TINYINT', '1'],
    ['count(*)', '1'],
    ['9007199254740993::BIGINT', '9007199254740993'],
    ['170141183460469231731687303715884105727::HUGEINT', '170141183460469231731687303715884105727'],
    ['1.50::DECIMAL(5, 2)', '1.50'],
    ['0.1::DOUBLE', '0.1'],
    ['1e300', '1e+300'],
    ["'NaN'::DOUBLE", 'null'],
    ["'-inf'::DOUBLE", 'null'],
    ["DATE '2026-11-01'", '"2026-11-01"'],
    ["TIME '10:20:30'", '"10:20:30"'],
    ["TIMESTAMP '2026-11-01 10:20:30.5'", '"2026-11-01T10:20:30.5"'],
    ["TIMESTAMP_S '2026-11-01 10:20:30'", '"2026-11-01T10:20:30"'],
    ["TIMESTAMPTZ '2026-11-01 10:20:30.25+01'", '"2026-11-01T09:20:30.25Z"'],
    ['[1, NULL, 3]', '[1,null,3]'],
    ["{'a': 1, 'b': [DATE '2026-11-01']}", '{"a":1,"b":["2026-11-01"]}'],
    ["MAP {'decodeMs': 2.5::DOUBLE}", '{"decodeMs":2.5}'],
    ['MAP {1: 2}', '{"1":2}'],
    ["'a'::ENUM('a', 'b')", '"a"'],
    ["'quote \" and \\ and ü 照'", '"quote \\" and \\\\ and ü 照"'],
    ["chr(10) || chr(27) || '[31m' || chr(155)", '"\\n\\u001b[31m\\u009b"'],
    ['union_value(num := 2)', '2'],
  ];
  test.for(values)('%s is %s', async ([sql, json]) => {
    expect(await value(sql)).toBe(json);
  });

  test('one object a line, or one array', async () => {
    const sql = 'SELECT range AS n FROM range(3)';
    expect((await shown(sql, 'ndjson')).text).toBe('{"n":0}\n{"n":1}\n{"n":2}\n');
    expect((await shown(sql, 'json')).text).toBe('[\n{"n":0},\n{"n":1},\n{"n":2}\n]\n');
    expect((await shown(`${sql} LIMIT 0`, 'ndjson')).text).toBe('');
    expect(JSON.parse((await shown(`${sql} LIMIT 0`, 'json')).text)).toEqual([]);
  });

  test('all rows, over any number of chunks', async () => {
    const { text } = await shown('SELECT range AS n FROM range(10000)', 'json');
    expect(JSON.parse(text).map(({ n }: { n: number }) => n)).toEqual(Array.from({ length: 10_000 }, (_, n) => n));
  });

  test('columns of the same name are told apart', async () => {
    expect(Object.values(JSON.parse((await shown('SELECT 1 AS a, 2 AS a', 'ndjson')).text))).toEqual([1, 2]);
  });
});

test('as CSV: a header, quotes where they are needed, null apart from an empty text', async () => {
  const sql = `SELECT 1 AS n, NULL AS nothing, '' AS empty, 'a,b' AS comma, 'say "x"' AS "quo""te", chr(10) AS line,
    [1, 2] AS list, 2.5::DOUBLE AS f, TIMESTAMPTZ '2026-11-01 00:00:00+00' AS t`;
  expect((await shown(sql, 'csv')).text).toBe(
    'n,nothing,empty,comma,"quo""te",line,list,f,t\n1,,"","a,b","say ""x""","\n","[1,2]",2.5,2026-11-01T00:00:00Z\n',
  );
});

describe('as a table', () => {
  const lines = async (sql: string, terminal?: { readonly columns: number }) =>
    (await shown(sql, 'table', terminal)).text.trimEnd().split('\n');

  test('numbers to the right, short; nothing for null', async () => {
    expect(await lines("SELECT 'a' AS name, 1.23456789::DOUBLE AS f, 100000000 AS n, NULL AS x")).toEqual([
      '┌──────┬─────────┬───────────┬───┐',
      '│ name │       f │         n │ x │',
      '├──────┼─────────┼───────────┼───┤',
      '│ a    │ 1.23457 │ 100000000 │   │',
      '└──────┴─────────┴───────────┴───┘',
    ]);
    expect((await lines('SELECT 0.0000123456789::DOUBLE AS v'))[3]).toContain('0.0000123457');
  });

  test('what steers a terminal is printed, not obeyed, in values and names of columns', async () => {
    const { text } = await shown(`SELECT chr(27) || ']0;x' || chr(10) AS "a${'\u001b'}[31m"`, 'table');
    expect(text).toContain('"\\u001b]0;x\\n"');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
    expect(text.replaceAll('\n', '')).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
  });

  test('wider than the terminal, each row is a list', async () => {
    expect(await lines("SELECT 'a long text' AS first, 2 AS second_column FROM range(2)", { columns: 20 })).toEqual([
      '── 1 ──',
      'first          a long text',
      'second_column  2',
      '── 2 ──',
      'first          a long text',
      'second_column  2',
    ]);
    expect((await lines("SELECT 'a long text' AS first", { columns: 80 }))[0]).toContain('┌');
  });

  test('no rows are a header', async () => {
    expect(await lines('SELECT 1 AS a LIMIT 0', { columns: 2 })).toHaveLength(3);
  });

  test('a page of rows, and word that there are more', async () => {
    const exact = await shown(`SELECT range FROM range(${tableRows})`, 'table');
    expect({ lines: exact.text.split('\n').length, cut: exact.cut }).toEqual({ lines: tableRows + 5, cut: false });
    const more = await shown(`SELECT range FROM range(${tableRows + 1})`, 'table');
    expect({ lines: more.text.split('\n').length, cut: more.cut }).toEqual({ lines: tableRows + 5, cut: true });
  });
});

describe('what cannot be answered is said in one sentence, and what to do', () => {
  const asked = async (sql: string): Promise<string> => {
    const connection = await database.connect();
    await connection.run('CREATE OR REPLACE TABLE photos AS SELECT 1 AS status');
    return ask(connection, sql).then(
      async ({ rows }) => {
        for await (const _ of rows);
        return 'answered';
      },
      ({ message }) => message,
    );
  };

  test.for([
    ['SELECT * FORM photos', /syntax error at or near "photos"\. `query "describe photos"`/],
    ['SELECT stats FROM photos', /"stats" not found.*"status"/],
    ['SELECT * FROM photo', /photo does not exist! Did you mean "photos"\?/],
    ["SELECT 'x'::INTEGER", /Could not convert string 'x' to INT32/],
    ['', /Expected a question in SQL but received none/],
    ['-- nothing', /Expected a question in SQL but received none/],
    ['SELECT 1; SELECT 2', /Expected one question but received 2 statements/],
    ['DROP TABLE photos', /received DROP: the manifest is only read/],
    ['EXPLAIN SELECT 1', /received EXPLAIN/],
    ['SELECT ?', /SQL cannot be answered/],
  ] as const)('%s', async ([sql, message]) => {
    const said = await asked(sql);
    expect(said).toMatch(message);
    expect(said).not.toMatch(/\n|LINE 1|Error:/);
  });

  test('also when it shows only while rows are read', async () => {
    const connection = await database.connect();
    const sql = "SELECT CASE WHEN range = 150000 THEN 'x' ELSE '1' END::INTEGER AS n FROM range(200000)";
    const reading = ask(connection, sql).then(async ({ rows }) => {
      for await (const _ of rows);
    });
    await expect(reading).rejects.toMatchObject({ name: 'SqlError', message: expect.stringContaining("'x'") });
  });
});
