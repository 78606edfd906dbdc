import { type Status, statuses } from '#pipeline/status.ts';
import { histogram } from './histogram.ts';
import { html, type Markup } from './markup.ts';
import { countText, decimalText, durationText, pluralText, shareText, sum } from './numbers.ts';

/** Pictures of numbers as inline SVG: bars only, stretched to the width there is; all words stay HTML, so they keep their size. */

export const statusWords: Readonly<Record<Status, string>> = {
  unmasked: 'a mask was taken off',
  bare: 'faces, but nobody wears a mask',
  'no-face': 'no face was found',
  rejected: 'cannot be used; not tried again',
  failed: 'gave up; tried again on the next run',
};

export function statusChart(counts: Readonly<Record<Status, number>>): Markup {
  const parts = statuses.map((status) => ({ name: status, amount: counts[status], className: status }));
  const total = sum(parts.map(({ amount }) => amount));
  const rows = parts.map(
    ({ name, amount }) => html`<li>
<span class="dot ${name}" aria-hidden="true"></span><b>${name}</b>
<span class="amount">${countText(amount)}</span><span class="share">${shareText(amount, total)}</span>
<span class="meaning">${statusWords[name]}</span></li>`,
  );
  return html`${stackedBar(
    parts.map((part) => ({ ...part, text: pluralText(part.amount, 'photo') })),
    `Photos by status, ${countText(total)} in all`,
  )}<ul class="legend statuses">${rows}</ul>`;
}

type Unit = { readonly text: (value: number) => string; readonly better: string };

export const decibels: Unit = { text: (value) => `${decimalText(value, 1)} dB`, better: 'higher is better' };
export const ssimUnit: Unit = { text: (value) => decimalText(value, 3), better: '1 is identical' };
export const seamUnit: Unit = { text: (value) => decimalText(value, 2), better: 'about 1 is invisible' };
export const durationUnit: Unit = { text: durationText, better: 'all stages together' };

/** Nothing where nothing was measured. */
export function distribution(title: string, noun: string, values: readonly number[], unit: Unit): Markup | undefined {
  const counted = histogram(values);
  if (!counted) return undefined;
  const { from, to, step, counts, total, p5, median, p95, openBelow, openAbove } = counted;
  const highest = Math.max(...counts);
  const bars = counts.map((count, bin) => {
    const height = count === 0 ? 0 : Math.max(1.5, (100 * count) / highest);
    const start = unit.text(from + bin * step);
    return html`<rect x="${bin + 0.05}" y="${100 - height}" width=".9" height="${height}"><title>from ${start}: ${pluralText(count, noun)}</title></rect>`;
  });
  const medianAt = (median - from) / step;
  const description = `${title}: ${pluralText(total, noun)}, median ${unit.text(median)}, nine in ten between ${unit.text(p5)} and ${unit.text(p95)}`;
  return html`<figure class="chart">
<figcaption><h3>${title}</h3><span class="hint">${unit.better}</span></figcaption>
<svg class="bars" viewBox="0 0 ${counts.length} 100" preserveAspectRatio="none" role="img" aria-label="${description}">
${bars}<line x1="${medianAt}" x2="${medianAt}" y1="0" y2="100"></line></svg>
<div class="axis" aria-hidden="true"><span>${openBelow && 'below '}${unit.text(from)}</span><span>${unit.text(to)}${openAbove && ' and above'}</span></div>
<dl class="figures"><div><dt>median</dt><dd>${unit.text(median)}</dd></div><div><dt>5 %</dt><dd>${unit.text(p5)}</dd></div><div><dt>95 %</dt><dd>${unit.text(p95)}</dd></div><div><dt>${noun}s</dt><dd>${countText(total)}</dd></div></dl>
</figure>`;
}

/** Order of work; a stage that is not known here comes after these. */
const stageWords: Readonly<Record<string, string>> = {
  inspectMs: 'inspect',
  decodeMs: 'decode',
  localiseMs: 'localise faces',
  denoiseMs: 'denoise',
  unmaskMs: 'unmask',
  pasteMs: 'align and paste',
  qualityMs: 'quality',
  encodeMs: 'encode',
};

/** Where the time went, all photos together. */
export function stageChart(timings: readonly Readonly<Record<string, number>>[]): Markup | undefined {
  const totals = new Map(Object.keys(stageWords).map((stage) => [stage, 0]));
  for (const [stage, milliseconds] of timings.flatMap((photo) => Object.entries(photo))) {
    if (stage !== 'totalMs') totals.set(stage, (totals.get(stage) ?? 0) + milliseconds);
  }
  const all = sum([...totals.values()]);
  if (all === 0) return undefined;
  const parts = [...totals]
    .filter(([, amount]) => amount > 0)
    .map(([stage, amount], index) => ({
      name: stageWords[stage] ?? stage.replace(/Ms$/, ''),
      amount,
      className: `stage-${index % 8}`,
      text: durationText(amount),
    }));
  const rows = parts.map(
    ({ name, amount, className, text }) => html`<li>
<span class="dot ${className}" aria-hidden="true"></span><b>${name}</b><span class="amount">${text}</span><span class="share">${shareText(amount, all)}</span></li>`,
  );
  return html`<figure class="chart wide"><figcaption><h3>Where the time went</h3><span class="hint">all photos together, waiting for others included</span></figcaption>
${stackedBar(parts, `Processing time by stage, ${durationText(all)} in all`)}<ul class="legend stages">${rows}</ul></figure>`;
}

type BarPart = {
  readonly name: string;
  readonly amount: number;
  readonly className: string;
  readonly text: string;
};

function stackedBar(parts: readonly BarPart[], title: string): Markup {
  const total = sum(parts.map(({ amount }) => amount)) || 1;
  const shown = parts.filter(({ amount }) => amount > 0);
  // A part of one in 5,000 is still to be seen.
  const widths = shown.map(({ amount }) => Math.max(5, (1000 * amount) / total));
  const scale = 1000 / sum(widths);
  const description = `${title}: ${shown.map(({ name, text }) => `${name} ${text}`).join(', ')}`;
  const bars = shown.map(({ name, text, className }, index) => {
    const x = sum(widths.slice(0, index)) * scale;
    return html`<rect class="${className}" x="${decimalText(x, 2)}" y="0" width="${decimalText((widths[index] ?? 0) * scale, 2)}" height="10"><title>${name}: ${text}</title></rect>`;
  });
  return html`<svg class="stack" viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label="${description}">${bars}</svg>`;
}
