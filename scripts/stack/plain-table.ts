import Table from 'cli-table3';

/** Rows under a head: the first column left, numbers right. */
export function plainTable(
  rows: readonly (readonly (string | number)[])[],
  head: readonly string[],
  aligned?: readonly ('left' | 'right')[],
): string {
  const table = new Table({
    head: [...head],
    style: { head: [], border: [], compact: true },
    colAligns: [...(aligned ?? head.map((_, column) => (column === 0 ? ('left' as const) : ('right' as const))))],
  });
  for (const row of rows) table.push([...row]);
  return table.toString();
}

/** Dollars; cents, and below ten of them as many digits as say something: $12.34, $0.0284. */
export function usdText(usd: number): string {
  if (usd === 0) return '$0';
  if (usd >= 0.1) return `$${usd.toLocaleString('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
  return usd < 0.00005 ? '< $0.0001' : `$${usd.toFixed(4)}`;
}
