import {
  DuckDBArrayValue,
  DuckDBDecimalValue,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBTimestampMillisecondsValue,
  DuckDBTimestampNanosecondsValue,
  DuckDBTimestampSecondsValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  DuckDBUnionValue,
  type DuckDBValue,
  DuckDBVariantValue,
} from '@duckdb/node-api';
import { jsonString } from '../commands/printable.ts';

/**
 * A value of DuckDB as JSON. Integers and decimals of any size are numbers with all their digits; a date is `YYYY-MM-DD`, a point in time
 * ISO 8601, with Z where it has a zone; a list is an array, a struct or map an object; what is no number (NaN, infinity) is null.
 */
export function jsonText(value: DuckDBValue): string {
  if (typeof value === 'string') return jsonString(value);
  if (value === null || value === undefined) return 'null';
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : 'null';
  if (typeof value === 'boolean' || typeof value === 'bigint' || value instanceof DuckDBDecimalValue) {
    return String(value);
  }
  if (value instanceof DuckDBListValue || value instanceof DuckDBArrayValue) {
    return `[${value.items.map(jsonText).join(',')}]`;
  }
  if (value instanceof DuckDBStructValue) return objectText(Object.entries(value.entries));
  if (value instanceof DuckDBMapValue) {
    return objectText(value.entries.map(({ key, value: held }) => [plainText(key) ?? 'null', held]));
  }
  if (value instanceof DuckDBUnionValue || value instanceof DuckDBVariantValue) return jsonText(value.value);
  return jsonString(scalarText(value));
}

/** A row as a JSON object. Columns of the same name are told apart by the caller. */
export const objectText = (entries: readonly (readonly [string, DuckDBValue])[]): string =>
  `{${entries.map(([name, value]) => `${jsonString(name)}:${jsonText(value)}`).join(',')}}`;

/** A value as text without quotes, nested ones as JSON; undefined for null. */
export function plainText(value: DuckDBValue): string | undefined {
  if (value === null || value === undefined) return undefined;
  if (value instanceof DuckDBUnionValue || value instanceof DuckDBVariantValue) return plainText(value.value);
  const nested = [DuckDBListValue, DuckDBArrayValue, DuckDBStructValue, DuckDBMapValue];
  return nested.some((type) => value instanceof type) ? jsonText(value) : scalarText(value);
}

function scalarText(value: DuckDBValue): string {
  if (value instanceof DuckDBTimestampTZValue) return `${isoText(new DuckDBTimestampValue(value.micros))}Z`;
  const isTimestamp =
    value instanceof DuckDBTimestampValue ||
    value instanceof DuckDBTimestampSecondsValue ||
    value instanceof DuckDBTimestampMillisecondsValue ||
    value instanceof DuckDBTimestampNanosecondsValue;
  return isTimestamp ? isoText(value) : String(value);
}

/** DuckDB writes `2026-11-01 10:20:30.5`. */
const isoText = (timestamp: { toString(): string }): string => timestamp.toString().replace(' ', 'T');
