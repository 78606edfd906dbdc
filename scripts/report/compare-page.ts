import type { Quality } from '#pipeline/metrics-record.ts';
import { photoPath } from '#pipeline/photo.ts';
import type { Status } from '#pipeline/status.ts';
import { distribution } from './charts.ts';
import type { Comparison, Difference, StageTimes } from './comparison.ts';
import { html, type Markup } from './markup.ts';
import { countText, decimalText, durationText, pluralText } from './numbers.ts';
import { dateText, honesty, pageFrame } from './page-frame.ts';
import { shownName } from './shown-name.ts';

export type Side = { readonly location: string; readonly models: string; readonly photos: number };

export type CardSide = {
  readonly status: Status;
  readonly reason: string | undefined;
  /** Base64 of WebP. */
  readonly picture: string | undefined;
  readonly quality: Quality | null;
  readonly seam: number | null;
};

/** One face, or a photo without one, before and after either run. */
export type Card = {
  readonly name: string;
  readonly number: number;
  readonly of: number;
  readonly before: string | undefined;
  readonly a: CardSide;
  readonly b: CardSide;
};

export type ComparePageContent = {
  readonly comparison: Comparison;
  readonly sides: readonly [Side, Side];
  readonly cards: readonly Card[];
  /** Photos that differ; not all of them have a card. */
  readonly differing: number;
  readonly style: string;
  readonly generatedAt: Date;
};

/** The whole page. It has no script, and its policy lets none in. */
export function comparePage(content: ComparePageContent): Markup {
  const { comparison, sides, generatedAt, style } = content;
  const [a, b] = sides;
  const title = 'Two runs compared';
  const body = html`<a class="skip" href="#pictures">Skip to the pictures</a>
<header class="page">
<p class="eyebrow">Unmask comparison</p>
<h1>${title}</h1>
<dl class="sides">${sideLine('A', a)}${sideLine('B', b)}</dl>
<p class="made">${dateText(generatedAt)}</p>
${honesty}
</header>
<main>
${tiles(comparison, content.differing)}
${changes(comparison)}
${qualities(comparison.qualities)}
${times(comparison.timings)}
${pictures(content)}
${missing(comparison)}
</main>
${footer()}`;
  return pageFrame({ title, style, body });
}

const sideLine = (letter: string, { location, models, photos }: Side): Markup =>
  html`<div><dt>${letter}</dt><dd><bdi>${shownName(location)}</bdi> <span class="models">${models === '' ? 'no photos' : models}, ${pluralText(photos, 'photo')}</span></dd></div>`;

function tiles({ pairs, onlyA, onlyB, statusChanges, identical, replaced }: Comparison, differing: number): Markup {
  const changed = statusChanges.reduce((total, { keys }) => total + keys.length, 0);
  return html`<section aria-labelledby="summary"><h2 id="summary" class="hidden">Summary</h2>
<dl class="tiles">
${tile('Photos in both', pairs.length, replaced.length > 0 && `${countText(replaced.length)} more were replaced in between: not compared`)}
${tile('Only in A', onlyA.length)}
${tile('Only in B', onlyB.length)}
${tile('Another status', changed)}
${tile('Photos that differ', differing, identical > 0 && `${countText(identical)} came out the same, byte for byte`)}
</dl></section>`;
}

const tile = (name: string, count: number, note: string | false = false): Markup =>
  html`<div><dt>${name}</dt><dd><span class="value">${countText(count)}</span>${note && html`<span class="note">${note}</span>`}</dd></div>`;

/** Photos of one change that are named here. */
const namedPerChange = 8;

function changes({ statusChanges }: Comparison): Markup | undefined {
  if (statusChanges.length === 0) return undefined;
  const groups = statusChanges.map(({ from, to, keys }) => {
    const rest = keys.length - namedPerChange;
    return html`<article><h3><span class="dot ${from}" aria-hidden="true"></span>${from} <span class="arrow">in A,</span> <span class="dot ${to}" aria-hidden="true"></span>${to} in B <span class="count">${pluralText(keys.length, 'photo')}</span></h3>
<ul class="names">${keys.slice(0, namedPerChange).map(nameItem)}</ul>${rest > 0 && html`<p class="note">and ${countText(rest)} more</p>`}</article>`;
  });
  return html`<section aria-labelledby="changes"><h2 id="changes">Another status</h2><div class="reasons">${groups}</div></section>`;
}

const nameItem = (key: string): Markup => html`<li><bdi class="name">${shownName(photoPath(key))}</bdi></li>`;

const measureWords: Readonly<
  Record<string, { readonly name: string; readonly digits: number; readonly unit: string }>
> = {
  regionPsnr: { name: 'PSNR under the mask', digits: 2, unit: ' dB' },
  regionSsim: { name: 'SSIM under the mask', digits: 3, unit: '' },
  psnr: { name: 'PSNR, whole photo', digits: 2, unit: ' dB' },
  ssim: { name: 'SSIM, whole photo', digits: 3, unit: '' },
  seam: { name: 'Visibility of the seam', digits: 3, unit: '' },
};

/** How a measure is called and written, here and in the terminal. */
export const wordsOf = (measure: string) => measureWords[measure] ?? { name: measure, digits: 3, unit: '' };

/** With a sign, so that a difference is seen to be one. */
export function signedText(value: number, digits: number): string {
  const text = decimalText(Math.abs(value), digits);
  return Number(text) === 0 ? text : `${value < 0 ? '\u2212' : '+'}${text}`;
}

function qualities(differences: readonly Difference[]): Markup {
  const rows = differences.map(({ measure, of, n, meanA, meanB, mean, low, high, better, worse }) => {
    const { name, digits, unit } = wordsOf(measure);
    return html`<tr><th scope="row">${name}</th><td class="number">${decimalText(meanA, digits)}${unit}</td><td class="number">${decimalText(meanB, digits)}${unit}</td><td class="number"><b>${signedText(mean, digits)}${unit}</b> <span class="interval">(${signedText(low, digits)} to ${signedText(high, digits)})</span></td><td class="number">${countText(better)}</td><td class="number">${countText(worse)}</td><td class="number">${pluralText(n, of)}</td></tr>`;
  });
  const note = differences.some(({ measure }) => measure === 'regionPsnr')
    ? undefined
    : html`<p class="note">No references were given to both runs, so PSNR and SSIM were not measured.</p>`;
  const table =
    rows.length > 0 &&
    html`<div class="scroller" tabindex="0" role="region" aria-label="Quality in A and B"><table class="plain"><thead><tr><th scope="col">Measure</th><th scope="col" class="number">A</th><th scope="col" class="number">B</th><th scope="col" class="number">B &minus; A (95 %)</th><th scope="col" class="number">B better</th><th scope="col" class="number">B worse</th><th scope="col" class="number">Measured in both</th></tr></thead><tbody>${rows}</tbody></table></div>`;
  const charts = differences.flatMap(({ measure, of, differences: values }) => {
    if (measure !== 'regionPsnr' && measure !== 'seam') return [];
    const { name, digits } = wordsOf(measure);
    const better = measure === 'seam' ? 'lower is better' : 'higher is better';
    const unit = {
      text: (value: number) => `${signedText(value, digits)}${wordsOf(measure).unit}`,
      better: `B minus A; ${better}`,
    };
    return distribution(`${name}: how much it moved`, of, values, unit) ?? [];
  });
  return html`<section aria-labelledby="quality"><h2 id="quality">Quality</h2>${table}${note}${charts.length > 0 && html`<div class="charts moved">${charts}</div>`}</section>`;
}

const stageWords: Readonly<Record<string, string>> = { totalMs: 'all stages' };

function times(stages: readonly StageTimes[]): Markup | undefined {
  if (stages.length === 0) return undefined;
  const rows = stages.map(
    ({ stage, n, meanA, meanB }) =>
      html`<tr><th scope="row">${stageWords[stage] ?? stage.replace(/Ms$/, '')}</th><td class="number">${durationText(meanA)}</td><td class="number">${durationText(meanB)}</td><td class="number">${meanA > 0 && `${decimalText(meanB / meanA, 2)} times`}</td><td class="number">${countText(n)}</td></tr>`,
  );
  return html`<section aria-labelledby="times"><h2 id="times">Time a photo</h2>
<div class="scroller" tabindex="0" role="region" aria-label="Time in A and B"><table class="plain"><thead><tr><th scope="col">Stage, mean</th><th scope="col" class="number">A</th><th scope="col" class="number">B</th><th scope="col" class="number">B / A</th><th scope="col" class="number">Photos</th></tr></thead><tbody>${rows}</tbody></table></div></section>`;
}

function pictures({ cards, differing, sides }: ComparePageContent): Markup {
  const photos = new Set(cards.map(({ name }) => name)).size;
  const said =
    differing === 0
      ? 'Nothing differs: there is nothing to look at.'
      : `The most changed first: ${photos === differing ? `all ${pluralText(differing, 'photo')}` : `${countText(photos)} of ${countText(differing)} photos`} that differ.`;
  return html`<section id="pictures" aria-labelledby="pictures-title" tabindex="-1"><h2 id="pictures-title">Side by side</h2><p class="made">${said}</p>
<ul class="pairs">${cards.map((card) => cardItem(card, sides))}</ul></section>`;
}

function cardItem({ name, number, of, before, a, b }: Card, [sideA, sideB]: readonly [Side, Side]): Markup {
  const title = of > 1 ? `${name}, face ${number} of ${of}` : name;
  return html`<li class="pair"><h3><bdi class="name">${title}</bdi></h3>
<div class="trio">${before !== undefined && figure(before, `${title}, before`, html`<b>Before</b>`)}${resultFigure('A', a, title, sideA)}${resultFigure('B', b, title, sideB)}</div></li>`;
}

function resultFigure(letter: string, side: CardSide, title: string, { models }: Side): Markup {
  const { status, reason, picture, quality, seam } = side;
  const facts = [
    quality && `PSNR ${quality.regionPsnr === null ? 'infinite' : `${decimalText(quality.regionPsnr, 1)} dB`}`,
    quality && `SSIM ${decimalText(quality.regionSsim, 2)}`,
    seam !== null && `seam ${decimalText(seam, 2)}`,
  ].filter(Boolean);
  const caption = html`<b>${letter}</b> <span class="models-short">${models}</span><span class="facts">${facts.length > 0 ? facts.join(' \u00b7 ') : `${status}${reason === undefined ? '' : `: ${reason}`}`}</span>`;
  if (picture !== undefined) return figure(picture, `${title}, after ${letter}, imagined under the mask`, caption);
  return html`<figure><p class="frame empty-frame">${status === 'unmasked' ? 'No picture here.' : status}</p><figcaption>${caption}</figcaption></figure>`;
}

const figure = (picture: string, alt: string, caption: Markup): Markup =>
  html`<figure><div class="frame"><img src="data:image/webp;base64,${picture}" alt="${alt}" loading="lazy" decoding="async"></div><figcaption>${caption}</figcaption></figure>`;

/** Names that a list of missing photos shows. */
const namedMissing = 50;

function missing({ onlyA, onlyB, replaced }: Comparison): Markup | undefined {
  const lists = (
    [
      ['Only in A', onlyA],
      ['Only in B', onlyB],
      ['Replaced in between', replaced],
    ] as const
  ).filter(([, keys]) => keys.length > 0);
  if (lists.length === 0) return undefined;
  const articles = lists.map(
    ([name, keys]) =>
      html`<article><h3>${name} <span class="count">${pluralText(keys.length, 'photo')}</span></h3><ul class="names">${keys.slice(0, namedMissing).map(nameItem)}</ul>${keys.length > namedMissing && html`<p class="note">and ${countText(keys.length - namedMissing)} more</p>`}</article>`,
  );
  return html`<section aria-labelledby="missing"><h2 id="missing">Not compared</h2><div class="reasons">${articles}</div></section>`;
}

function footer(): Markup {
  return html`<footer class="page"><h2>How to read the numbers</h2>
<dl class="glossary">
<div><dt>B &minus; A</dt><dd>Mean of the differences, each of one face (or photo) that was measured in both runs. The interval is a bootstrap over them: where it holds 0, the runs may be equally good.</dd></div>
<div><dt>Under the mask</dt><dd>The pixels that each run replaced, against the reference. Two models may draw the region's edge differently; whole-photo figures count the same pixels in both.</dd></div>
<div><dt>Seam</dt><dd>How much the border of the imagined part stands out from what is beside it: about 1 is invisible, higher shows.</dd></div>
<div><dt>Time</dt><dd>Of the photos that were timed in both runs. Runs on different machines, or beside other work, do not compare.</dd></div>
</dl>
<p>This page is one file; it loads nothing and sends nothing.</p>
</footer>`;
}
