import { html, type Markup } from '../report/markup.ts';
import { type CaseName, caseNames } from './case-names.ts';
import type { Result } from './results-file.ts';
import { mean, median, quantile } from './statistics.ts';
import type { RowSummary } from './summary.ts';
import { rowLabel } from './tables.ts';

/**
 * Plots as SVG files. Colours of Okabe and Ito, which differ for all kinds of colour vision and have 3:1 on white; every series also has a
 * label beside it or a shape of its own.
 */

const series: Readonly<Record<string, { readonly colour: string; readonly shape: 'circle' | 'square' | 'triangle' }>> =
  {
    'rescnn-56': { colour: '#d55e00', shape: 'triangle' },
    'rescnn-fidelity': { colour: '#0072b2', shape: 'square' },
    rescnn: { colour: '#008563', shape: 'circle' },
  };
const plain = { colour: '#6b6862', shape: 'circle' } as const;
const styleOf = (row: string) => series[row.replace(/\+pipeline$/, '')] ?? plain;

const ink = '#1e1d1a';
const line = '#d8d4ca';

/** How often each region PSNR occurs on case I, one strip of bars a row, with its median. Undefined when case I was not measured. */
export function regionPsnrPlot(results: readonly Result[], rows: readonly string[]): Markup | undefined {
  const strips = rows.flatMap((row) => {
    const values = valuesOf(results, 'I', row, 'regionPsnr');
    return values.length === 0 ? [] : [{ row, values }];
  });
  if (strips.length === 0) return undefined;
  const all = strips.flatMap(({ values }) => values);
  const scale = axis(quantile(all, 0.002), quantile(all, 0.998), 220, 880, 5);
  const step = 1;
  const stripHeight = 76;
  const top = 70;
  const bottom = top + strips.length * stripHeight;
  const bars = strips.map(({ row, values }, index) => {
    const base = top + (index + 1) * stripHeight - 8;
    const counts = Map.groupBy(values, (value) => Math.floor(value / step));
    const most = Math.max(...[...counts.values()].map((members) => members.length));
    const rects = [...counts]
      .sort(([a], [b]) => a - b)
      .filter(([bin]) => bin * step >= scale.from - step && bin * step < scale.to)
      .map(([bin, { length }]) => {
        const height = (length / most) * (stripHeight - 36);
        const share = (100 * length) / values.length;
        return html`<rect x="${short(scale.at(bin * step) + 0.5)}" y="${short(base - height)}" width="${short(scale.at(step) - scale.at(0) - 1)}" height="${short(height)}" fill="${styleOf(row).colour}"${row.endsWith('+pipeline') && html` fill-opacity=".55"`}><title>${bin * step} to ${(bin + 1) * step} dB: ${share.toFixed(1)} % of ${values.length}</title></rect>`;
      });
    const middle = median(values);
    const [name = '', detail = ''] = rowLabel(row).split(', ');
    return html`<g>${text(12, base - 20, name, { weight: 600 })}${detail !== '' && text(12, base - 4, detail, { size: 12 })}
${rects}<line x1="${short(scale.at(middle))}" x2="${short(scale.at(middle))}" y1="${base - stripHeight + 18}" y2="${base}" stroke="${ink}" stroke-width="2"/>
${text(scale.at(middle) + 5, base - stripHeight + 28, `median ${middle.toFixed(1)} dB, n ${values.length}`, { size: 12 })}
<line x1="220" x2="880" y1="${base}" y2="${base}" stroke="${line}"/></g>`;
  });
  const description = strips
    .map(({ row, values }) => `${rowLabel(row)}: median ${median(values).toFixed(2)} dB, n ${values.length}`)
    .join('; ');
  return drawing(900, bottom + 50, 'Region PSNR of case I by method: how many faces reach what', description, [
    ...grid(scale, top, bottom),
    ...bars,
    text(550, bottom + 40, 'PSNR of the pixels under the mask (dB); more is better', { anchor: 'middle' }),
  ]);
}

/** Whole-photo PSNR of each face of case I against the share of the photo that its mask covers. The curve is a row's mean region PSNR. */
export function areaPlot(results: readonly Result[], rows: readonly string[]): Markup | undefined {
  const clouds = rows
    .filter((row) => row in series)
    .flatMap((row) => {
      const points = results.flatMap(({ case: name, row: of, measures: { area, psnr, regionPsnr } }) =>
        name === 'I' && of === row && area !== null && psnr !== null && regionPsnr !== null && Number.isFinite(psnr)
          ? [{ area: 100 * area, psnr, regionPsnr }]
          : [],
      );
      return points.length === 0 ? [] : [{ row, points, level: mean(points.map(({ regionPsnr }) => regionPsnr)) }];
    });
  if (clouds.length === 0) return undefined;
  const points = clouds.flatMap((cloud) => cloud.points);
  const across = axis(
    Math.min(...points.map(({ area }) => area)),
    Math.max(...points.map(({ area }) => area)),
    80,
    860,
    5,
  );
  const up = axis(
    Math.min(...points.map(({ psnr }) => psnr)),
    Math.max(...points.map(({ psnr }) => psnr)),
    520,
    110,
    5,
  );
  const marks = clouds.map(({ row, points: own, level }) => {
    const { colour } = styleOf(row);
    const least = Math.max(1, Math.min(...own.map(({ area }) => area)));
    const most = Math.max(...own.map(({ area }) => area));
    const curve = Array.from({ length: 60 }, (_, index) => least + ((most - least) * index) / 59)
      .map((area) => `${short(across.at(area))},${short(up.at(level - 10 * Math.log10(area / 100)))}`)
      .join(' ');
    return html`<g fill="${colour}" fill-opacity=".5">${own.map(({ area, psnr }) => mark(row, across.at(area), up.at(psnr), 3))}</g><polyline points="${curve}" fill="none" stroke="${colour}" stroke-width="2"/>`;
  });
  const legend = clouds.map(
    ({ row, level }, index) =>
      html`<g fill="${styleOf(row).colour}">${mark(row, 86 + index * 275, 82, 6)}</g>${text(98 + index * 275, 87, `${rowLabel(row)} (${level.toFixed(1)} dB in the region)`, { size: 13 })}`,
  );
  return drawing(
    900,
    580,
    'PSNR of the whole photo against the area of the mask, case I',
    'Each mark is a face. The larger the mask, the lower the whole photo’s PSNR at the same quality of the region: the curves show where faces of the mean region PSNR would lie.',
    [
      ...grid(across, 110, 520),
      ...up.ticks.map(
        (tick) =>
          html`<line x1="80" x2="860" y1="${short(up.at(tick))}" y2="${short(up.at(tick))}" stroke="${line}"/>${text(72, up.at(tick) + 4, String(tick), { anchor: 'end', size: 12 })}`,
      ),
      ...marks,
      ...legend,
      text(470, 565, 'Share of the photo under the mask (%)', { anchor: 'middle' }),
      html`<text x="0" y="0" font-size="13" fill="${ink}" text-anchor="middle" transform="translate(24 315) rotate(-90)">PSNR of the whole photo (dB)</text>`,
    ],
  );
}

/** Mean region PSNR of every case with its 95 % interval, a mark a network. */
export function casesPlot(summaries: readonly RowSummary[]): Markup | undefined {
  const shown = summaries.filter(({ row, figures: { regionPsnr } }) => row in series && regionPsnr.mean !== null);
  const names = caseNames.filter((name) => shown.some((summary) => summary.case === name));
  if (names.length === 0) return undefined;
  const bounds = shown.flatMap(({ figures: { regionPsnr } }) => [regionPsnr.low ?? 0, regionPsnr.high ?? 0]);
  const scale = axis(Math.min(...bounds) - 0.5, Math.max(...bounds) + 0.5, 200, 860, 1);
  const rows = [...new Set(shown.map(({ row }) => row))];
  const top = 110;
  const height = 26 * rows.length + 14;
  const bottom = top + names.length * height;
  const marks = shown.map(({ case: name, row, figures: { regionPsnr }, n }) => {
    const y = top + names.indexOf(name) * height + 20 + 26 * rows.indexOf(row);
    const { mean: value, low, high } = regionPsnr;
    if (value === null || low === null || high === null) return undefined;
    const said = `${value.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)}) dB, n ${n}`;
    return html`<g fill="${styleOf(row).colour}"><title>${rowLabel(row)}, case ${name}: ${said}</title><line x1="${short(scale.at(low))}" x2="${short(scale.at(high))}" y1="${y}" y2="${y}" stroke="${styleOf(row).colour}" stroke-width="3"/>${mark(row, scale.at(value), y, 6)}</g>`;
  });
  const labels = names.map((name, index) =>
    text(188, top + index * height + height / 2 + 4, `case ${name}`, { anchor: 'end', weight: 600 }),
  );
  const lines = names.map(
    (_, index) =>
      html`<line x1="20" x2="860" y1="${top + index * height}" y2="${top + index * height}" stroke="${line}"/>`,
  );
  const legend = rows.map(
    (row, index) =>
      html`<g fill="${styleOf(row).colour}">${mark(row, 210 + index * 200, 80, 6)}</g>${text(222 + index * 200, 85, rowLabel(row))}`,
  );
  return drawing(
    900,
    bottom + 50,
    'Region PSNR of every case: mean and 95 % interval',
    'A mark for each network in each case; the tables have the figures.',
    [
      ...grid(scale, top, bottom),
      ...lines,
      ...marks,
      ...labels,
      ...legend,
      text(530, bottom + 40, 'PSNR of the pixels under the mask (dB); more is better', { anchor: 'middle' }),
    ],
  );
}

type Axis = {
  readonly from: number;
  readonly to: number;
  readonly ticks: readonly number[];
  at(value: number): number;
};

/** A linear axis over whole steps of `step`, from pixel `start` to pixel `end`. */
function axis(least: number, most: number, start: number, end: number, step: number): Axis {
  const from = Math.floor(least / step) * step;
  const to = Math.max(from + step, Math.ceil(most / step) * step);
  return {
    from,
    to,
    ticks: Array.from({ length: Math.round((to - from) / step) + 1 }, (_, index) => from + index * step),
    at: (value) => start + ((value - from) / (to - from)) * (end - start),
  };
}

const grid = (scale: Axis, top: number, bottom: number): readonly Markup[] =>
  scale.ticks.map(
    (tick) =>
      html`<line x1="${short(scale.at(tick))}" x2="${short(scale.at(tick))}" y1="${top}" y2="${bottom}" stroke="${line}"/>${text(scale.at(tick), bottom + 18, String(tick), { anchor: 'middle', size: 12 })}`,
  );

function mark(row: string, x: number, y: number, radius: number): Markup {
  const [left, right, above, below] = [x - radius, x + radius, y - radius, y + radius].map(short);
  switch (styleOf(row).shape) {
    case 'circle':
      return html`<circle cx="${short(x)}" cy="${short(y)}" r="${radius}"/>`;
    case 'square':
      return html`<rect x="${left}" y="${above}" width="${2 * radius}" height="${2 * radius}"/>`;
    case 'triangle':
      return html`<path d="M${left} ${below}L${right} ${below}L${short(x)} ${above}Z"/>`;
  }
}

type TextStyle = {
  readonly anchor?: 'start' | 'middle' | 'end';
  readonly size?: number;
  readonly weight?: number;
};

function text(x: number, y: number, words: string, style: TextStyle = {}): Markup {
  const { anchor = 'start', size = 13, weight = 400 } = style;
  return html`<text x="${short(x)}" y="${short(y)}" font-size="${size}" font-weight="${weight}" text-anchor="${anchor}" fill="${ink}">${words}</text>`;
}

function drawing(
  width: number,
  height: number,
  title: string,
  description: string,
  parts: readonly (Markup | undefined)[],
): Markup {
  return html`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title description" font-family="ui-sans-serif, system-ui, sans-serif">
<title id="title">${title}</title><desc id="description">${description}</desc>
<rect width="${width}" height="${height}" fill="#fff"/>
${text(20, 36, title, { size: 18, weight: 600 })}
${parts}
</svg>
`;
}

function valuesOf(results: readonly Result[], name: CaseName, row: string, measure: 'regionPsnr'): readonly number[] {
  return results.flatMap(({ case: of, row: by, measures }) => {
    const value = measures[measure];
    return of === name && by === row && value !== null && Number.isFinite(value) ? [value] : [];
  });
}

const short = (value: number): number => Number(value.toFixed(1));
