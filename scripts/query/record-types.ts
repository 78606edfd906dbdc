import { z } from 'zod';
import { metricsRecordSchema } from '#pipeline/metrics-record.ts';

// A metrics record's shape is written down once, in its zod schema; the engines that read segments get their column types from it.

/** How an engine writes its types. */
type Dialect = {
  readonly string: string;
  readonly number: string;
  readonly integer: string;
  readonly boolean: string;
  readonly list: (of: string) => string;
  readonly map: (of: string) => string;
  readonly struct: (fields: readonly (readonly [name: string, type: string])[]) => string;
};

const duckdb: Dialect = {
  string: 'VARCHAR',
  number: 'DOUBLE',
  integer: 'BIGINT',
  boolean: 'BOOLEAN',
  list: (of) => `${of}[]`,
  map: (of) => `MAP(VARCHAR, ${of})`,
  struct: (fields) => `STRUCT(${fields.map(([name, type]) => `"${name}" ${type}`).join(', ')})`,
};

/** Hive's names are in lower case; its JSON reader matches keys without regard to case. */
const hive: Dialect = {
  string: 'string',
  number: 'double',
  integer: 'bigint',
  boolean: 'boolean',
  list: (of) => `array<${of}>`,
  map: (of) => `map<string,${of}>`,
  struct: (fields) => `struct<${fields.map(([name, type]) => `${name.toLowerCase()}:${type}`).join(',')}>`,
};

export type RecordColumn = { readonly name: string; readonly type: string };

/** The top-level fields of a record, as DuckDB's `read_json` takes them. */
export const duckdbColumns = (): readonly RecordColumn[] => columnsIn(duckdb);

/** The same for `CREATE EXTERNAL TABLE` of Hive and Athena. */
export const hiveColumns = (): readonly RecordColumn[] =>
  columnsIn(hive).map(({ name, type }) => ({ name: name.toLowerCase(), type }));

type JsonSchema = z.core.JSONSchema.BaseSchema;

function columnsIn(dialect: Dialect): readonly RecordColumn[] {
  const { properties = {} } = z.toJSONSchema(metricsRecordSchema);
  return Object.entries(properties).map(([name, schema]) => ({ name, type: typeOf(schema, dialect) }));
}

function typeOf(schema: JsonSchema | boolean, dialect: Dialect): string {
  if (typeof schema === 'boolean') throw new Error('Expected every field of a record to have a type.');
  const { anyOf, properties, additionalProperties, items } = schema;
  const only = anyOf?.find((choice) => typeof choice !== 'boolean' && choice.type !== 'null');
  if (only !== undefined) return typeOf(only, dialect);
  if (typeof items === 'object' && !Array.isArray(items)) return dialect.list(typeOf(items, dialect));
  if (properties) {
    return dialect.struct(Object.entries(properties).map(([name, field]) => [name, typeOf(field, dialect)]));
  }
  if (typeof additionalProperties === 'object') return dialect.map(typeOf(additionalProperties, dialect));
  // An enumeration and a literal have the type of their values; a number that may be null has two.
  const [type] = Number.isInteger(schema.const) ? ['integer'] : [schema.type].flat().filter((name) => name !== 'null');
  switch (type) {
    case 'string':
    case 'number':
    case 'integer':
    case 'boolean':
      return dialect[type];
  }
  throw new Error(`Expected a type of JSON Schema that has a column type but found ${JSON.stringify(schema)}.`);
}
