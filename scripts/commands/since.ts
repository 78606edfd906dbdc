import { UsageError } from './exit-codes.ts';

const unitMs = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/**
 * The moment that a person means: so long before now (45m, 12h, 30d), or a date (2026-11-01, UTC, or with a time and zone).
 * @throws UsageError when it is neither, or lies ahead.
 */
export function sinceDate(text: string, now: Date): Date {
  const [, count, unit] = /^(\d+)([mhd])$/.exec(text) ?? [];
  const ago = unit === 'm' || unit === 'h' || unit === 'd' ? Number(count) * unitMs[unit] : undefined;
  const isDate = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/.test(text);
  const since = ago === undefined ? new Date(isDate ? text : Number.NaN) : new Date(now.getTime() - ago);
  if (Number.isNaN(since.getTime()) || since > now)
    throw new UsageError(
      `Expected a time in the past, 45m, 12h, 30d or 2026-11-01, but received ${JSON.stringify(text)}.`,
    );
  return since;
}
