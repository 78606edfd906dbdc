import { bill, type MeasuredPhoto, total } from './stack/photo-bill.ts';

/** In Markdown, for infra/README.md. */
export function costTable(measured: MeasuredPhoto): string {
  const x86 = bill(measured, { architecture: 'x86_64' });
  const arm = bill(measured, { architecture: 'arm64' });
  const usd = (value: number) => `$${value.toFixed(4)}`;
  const rows = x86.map(
    ({ what, usdPerThousand }, index) =>
      `| ${what} | ${usd(usdPerThousand)} | ${usd(arm[index]?.usdPerThousand ?? 0)} |`,
  );
  return [
    '| per 1,000 photos | x86_64 | arm64 |',
    '|---|--:|--:|',
    ...rows,
    `| **all** | **${usd(total(x86))}** | **${usd(total(arm))}** |`,
  ].join('\n');
}
