import { pipeline } from 'node:stream/promises';
import Table from 'cli-table3';
import { errorCode } from '#local/file-object.ts';
import { printable } from '../commands/printable.ts';
import type { Answer, AnswerColumn } from './ask.ts';
import { type jsonText, objectText, plainText } from './value-text.ts';

export const formats = ['table', 'csv', 'json', 'ndjson'] as const;
export type Format = (typeof formats)[number];

/** Rows that a table shows; the other formats have no limit. */
export const tableRows = 1000;

export type PrintOptions = {
  readonly format: Format;
  readonly stdout?: NodeJS.WriteStream;
  /** Told when a table leaves rows out. */
  readonly onCut?: () => void;
};

/** Writes an answer as its rows come. A reader that goes away (`| head`) ends it without an error. */
export async function printAnswer(answer: Answer, options: PrintOptions): Promise<void> {
  const { format, stdout = process.stdout, onCut = () => {} } = options;
  const width = stdout.isTTY ? stdout.columns : Number.POSITIVE_INFINITY;
  const texts = {
    table: () => tableText(answer, width, onCut),
    csv: () => csvTexts(answer),
    json: () => jsonTexts(answer),
    ndjson: () => ndjsonTexts(answer),
  };
  try {
    await pipeline(texts[format](), stdout, { end: false });
  } catch (error) {
    if (errorCode(error) !== 'EPIPE') throw error;
  }
}

async function* ndjsonTexts({ columns, rows }: Answer): AsyncGenerator<string> {
  for await (const some of rows) yield some.map((row) => `${rowText(columns, row)}\n`).join('');
}

async function* jsonTexts({ columns, rows }: Answer): AsyncGenerator<string> {
  let before = '[\n';
  for await (const some of rows) {
    yield before + some.map((row) => rowText(columns, row)).join(',\n');
    before = ',\n';
  }
  yield before === '[\n' ? '[]\n' : '\n]\n';
}

type Row = Parameters<typeof jsonText>[0][];

const rowText = (columns: readonly AnswerColumn[], row: Readonly<Row>): string =>
  objectText(columns.map(({ name }, index) => [name, row[index] ?? null]));

/** RFC 4180 with `\n`: null is nothing, an empty text `""`, what is nested is JSON. */
async function* csvTexts({ columns, rows }: Answer): AsyncGenerator<string> {
  yield `${columns.map(({ name }) => csvCell(name)).join(',')}\n`;
  for await (const some of rows) {
    yield some.map((row) => `${row.map((value) => csvCell(plainText(value))).join(',')}\n`).join('');
  }
}

const csvCell = (text: string | undefined): string =>
  text === '' || (text !== undefined && /[",\r\n]/.test(text)) ? `"${text.replaceAll('"', '""')}"` : (text ?? '');

/** A box, or where that is wider than the terminal, each row as a list of its columns. */
async function* tableText({ columns, rows }: Answer, width: number, onCut: () => void): AsyncGenerator<string> {
  const shown: string[][] = [];
  for await (const some of rows) {
    shown.push(...some.map((row) => row.map(shownText)));
    if (shown.length > tableRows) break;
  }
  if (shown.length > tableRows) onCut();
  const cut = shown.slice(0, tableRows);
  const table = new Table({
    head: columns.map(({ name }) => printable(name)),
    colAligns: columns.map(({ numeric }) => (numeric ? 'right' : 'left')),
    style: { head: [], border: [], compact: true },
  });
  table.push(...cut);
  const box = table.toString();
  const fits = cut.length === 0 || box.indexOf('\n') <= width;
  yield `${fits ? box : listText(columns, cut)}\n`;
}

function listText(columns: readonly AnswerColumn[], rows: readonly (readonly string[])[]): string {
  const names = columns.map(({ name }) => printable(name));
  const widest = Math.max(...names.map(({ length }) => length));
  const lines = rows.map((row, index) =>
    [`── ${index + 1} ──`, ...row.map((text, column) => `${names[column]?.padEnd(widest)}  ${text}`)].join('\n'),
  );
  return lines.join('\n');
}

const shownText = (value: Row[number]): string =>
  typeof value === 'number' ? shortNumber(value) : printable(plainText(value) ?? '');

/** Six digits are enough to look at; the other formats have all. */
const shortNumber = (value: number): string =>
  Number.isInteger(value) || !Number.isFinite(value) ? String(value) : String(Number(value.toPrecision(6)));
