import { type Column, faceColumns, photoColumns } from './columns.ts';
import { duckdbColumns } from './record-types.ts';

/**
 * SQL that makes `photos`, `faces` and `versions` from segment files, given in the manifest's order. Of two records of a photo the one
 * with the later `createdAt` counts, of two with the same the one that comes later, as `newestByKey` has it. A million records take about
 * 20 s of CPU, once; records that do not count are only remembered, so nothing is written twice.
 */
export function tableStatements(files: readonly string[]): readonly string[] {
  const columns = photoColumns.map(({ name }) => name).join(', ');
  return [
    // A row's place in the table breaks ties: that of its file and its line.
    'SET preserve_insertion_order = true',

    'CREATE SCHEMA manifest',

    `CREATE TABLE manifest.records AS
     SELECT ${photoColumns.map(castOf).join(', ')}, createdAt AS created_text, faces AS face_list
     FROM ${files.length === 0 ? noRecords() : recordsIn(files)}`,

    `CREATE TABLE manifest.superseded AS
     WITH repeated AS (SELECT key FROM manifest.records GROUP BY key HAVING count(*) > 1),
     ranked AS (
       SELECT rowid AS record,
         row_number() OVER (PARTITION BY key ORDER BY created_text DESC, rowid DESC) AS of_photo,
         row_number() OVER (PARTITION BY key, coalesce(version_id, etag) ORDER BY created_text DESC, rowid DESC) AS of_version
       FROM manifest.records WHERE key IN (FROM repeated)
     )
     SELECT record, of_version > 1 AS of_its_version FROM ranked WHERE of_photo > 1`,

    `CREATE VIEW photos AS
     SELECT ${columns} FROM manifest.records ANTI JOIN manifest.superseded ON records.rowid = record`,

    `CREATE VIEW versions AS
     SELECT ${columns}, record IS NULL AS newest
     FROM manifest.records LEFT JOIN manifest.superseded ON records.rowid = record
     WHERE of_its_version IS NOT TRUE`,

    `CREATE VIEW faces AS
     SELECT ${faceColumns.map(castOf).join(', ')}
     FROM (
       SELECT path, status, created_at, key, unnest(face_list) AS face, generate_subscripts(face_list, 1) AS number
       FROM manifest.records ANTI JOIN manifest.superseded ON records.rowid = record
     )`,
  ];
}

const castOf = ({ name, type, from }: Column): string => `CAST(${from} AS ${type}) AS ${name}`;

function recordsIn(files: readonly string[]): string {
  const columns = duckdbColumns().map(({ name, type }) => `${quoted(name)}: ${quoted(type)}`);
  return `read_json([${files.map((file) => quoted(literalGlob(file))).join(', ')}], format = 'newline_delimited',
    compression = 'gzip', hive_partitioning = false, columns = {${columns.join(', ')}})`;
}

function noRecords(): string {
  return `(SELECT ${duckdbColumns().map(({ name, type }) => `NULL::${type} AS "${name}"`)} LIMIT 0)`;
}

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** A path that stands for itself: DuckDB takes `*`, `?` and `[` for patterns. */
const literalGlob = (file: string): string => file.replace(/[*?[]/g, '[$&]');
