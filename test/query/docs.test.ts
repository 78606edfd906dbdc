import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { metricsRecordSchema } from '#pipeline/metrics-record.ts';
import { type Column, faceColumns, photoColumns } from '../../scripts/query/columns.ts';
import { duckdbColumns, hiveColumns } from '../../scripts/query/record-types.ts';
import { project } from '../cli/cli.ts';

const page = await readFile(join(project, 'docs', 'query.md'), 'utf8');

const tableOf = (columns: readonly Column[]): string =>
  columns.map(({ name, type, says }) => `| \`${name}\` | ${type} | ${says} |`).join('\n');

test('the page lists the columns of photos and of faces, with types and meaning', () => {
  expect(page).toContain(`| column | type | |\n|---|---|---|\n${tableOf(photoColumns)}\n\n`);
  expect(page).toContain(`| column | type | |\n|---|---|---|\n${tableOf(faceColumns)}\n\n`);
});

test('the Athena table has exactly the fields of a metrics record', () => {
  const [, columns = ''] = /CREATE EXTERNAL TABLE unmask_segments \(\n([^)]*)\n {4}\)\n/.exec(page) ?? [];
  const written = columns.split(',\n').map((line) => line.trim());
  expect(written).toEqual(hiveColumns().map(({ name, type }) => `\`${name}\` ${type}`));
  expect(hiveColumns().map(({ name }) => name)).toEqual(
    Object.keys(metricsRecordSchema.shape).map((name) => name.toLowerCase()),
  );
});

test('a record has one type for each engine: nested, nullable and listed ones too', () => {
  const types = Object.fromEntries(hiveColumns().map(({ name, type }) => [name, type]));
  expect(types).toMatchObject({
    schemaversion: 'bigint',
    status: 'string',
    timings: 'map<string,double>',
    cost: 'struct<usd:double>',
    photo: 'struct<key:string,versionid:string,etag:string,bytes:bigint,width:bigint,height:bigint,format:string>',
  });
  expect(types.faces).toMatch(/^array<struct<box:struct<x:double,.*masked:boolean,.*quality:struct<psnr:double,/);
  expect(duckdbColumns().find(({ name }) => name === 'cost')).toEqual({ name: 'cost', type: 'STRUCT("usd" DOUBLE)' });
});

test("partitions are those of a segment's key", () => {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: Athena's own placeholders
  expect(page).toContain("'s3://RESULTS_BUCKET/manifest/dt=${dt}/hr=${hr}/'");
  expect(page).toContain("'projection.hr.digits' = '2'");
});
