import type { Architecture } from '#pipeline/photo-price.ts';
import measured from '../../infra/measured.json' with { type: 'json' };
import { UsageError } from '../commands/exit-codes.ts';
import { countText, pluralText, sum } from '../report/numbers.ts';
import { type MonthLine, monthBill } from './month-bill.ts';
import { bill, defaultMb, freePhotos, total } from './photo-bill.ts';
import { plainTable, usdText } from './plain-table.ts';

export type EstimateCostOptions = {
  /** Photos a month. */
  readonly photos: number;
  readonly architecture?: Architecture;
  /** MB. */
  readonly memory?: number;
  readonly photoMb: number;
  readonly faceDays: number;
  readonly json?: boolean;
};

/** By measured milliseconds and published prices; asks nobody. */
export function estimateCost({
  photos,
  architecture = 'x86_64',
  memory,
  photoMb,
  faceDays,
  json,
}: EstimateCostOptions): void {
  const memoryMb = memory ?? defaultMb;
  if (memoryMb < 1024 || memoryMb > 3008)
    throw new UsageError(`Expected --memory from 1024 to 3008 but received ${memoryMb}: the stack takes no other.`);
  const machine = { architecture, memoryMb };
  const lines = monthBill({ photos, photoMb, faceDays }, measured, machine);
  const figures = {
    photos,
    architecture,
    memoryMb,
    photoMb,
    faceDays,
    measured,
    lines,
    usd: sum(lines.map(({ usd }) => usd)),
    afterFreeTier: sum(lines.map(({ afterFreeTier }) => afterFreeTier)),
    usdPerThousand: total(bill(measured, machine)),
    freePhotos: freePhotos(measured, machine),
  };
  console.log(json ? JSON.stringify({ event: 'cost', ...figures }) : textOf(figures));
}

type Figures = {
  readonly photos: number;
  readonly architecture: string;
  readonly memoryMb: number;
  readonly photoMb: number;
  readonly faceDays: number;
  readonly lines: readonly MonthLine[];
  readonly usd: number;
  readonly afterFreeTier: number;
  readonly usdPerThousand: number;
  readonly freePhotos: number;
};

function textOf(figures: Figures): string {
  const { photos, architecture, memoryMb, photoMb, faceDays, lines, usd, afterFreeTier } = figures;
  const { checkMs, unmaskMs, catalogueMs, startMs } = measured;
  const rows = [...lines, { what: 'all', usd, afterFreeTier }].map((line) => [
    line.what,
    usdText(line.usd),
    usdText(line.afterFreeTier),
  ]);
  return [
    `${pluralText(photos, 'photo')} a month on ${architecture}, ${memoryMb} MB; USD, us-east-1:`,
    plainTable(rows, ['', 'all of it', 'after the free tier']),
    `The work of 1,000 photos, without storage and standing by, is ${usdText(figures.usdPerThousand)}.`,
    `Lambda's free tier holds the compute of ${countText(figures.freePhotos)} photos a month.`,
    `Measured with one masked face each, 512x512, on a whole core: check ${checkMs} ms, unmask ${unmaskMs} ms, catalogue ${catalogueMs} ms, start ${startMs} ms.`,
    `Stored: ${photoMb} MB for each photo and as much for its result, ${faceDays} days (--photo-mb, --face-days).`,
  ].join('\n');
}
