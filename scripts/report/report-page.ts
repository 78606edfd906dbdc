import { type Manifest, summarise } from '#pipeline/manifest.ts';
import type { MetricsRecord } from '#pipeline/metrics-record.ts';
import { statuses } from '#pipeline/status.ts';
import { decibels, distribution, durationUnit, seamUnit, ssimUnit, stageChart, statusChart } from './charts.ts';
import { html, jsonMarkup, type Markup, verbatim } from './markup.ts';
import { countText, decimalText, durationText, pluralText, sum } from './numbers.ts';
import { dateText, honesty, pageFrame } from './page-frame.ts';
import { type PhotoRow, photoMilliseconds } from './photo-row.ts';

export type PageContent = {
  readonly title: string;
  readonly generatedAt: Date;
  /** One per photo, in the order of `rows`. */
  readonly records: readonly MetricsRecord[];
  readonly rows: readonly PhotoRow[];
  readonly manifest: Manifest;
  readonly style: string;
  readonly script: string;
};

/** The whole page. */
export function reportPage({ title, generatedAt, records, rows, manifest, style, script }: PageContent): Markup {
  const body = html`<a class="skip" href="#photos">Skip to the photos</a>
<header class="page">
<p class="eyebrow">Unmask report</p>
<h1>${title}</h1>
<p class="made">${dateText(generatedAt)} <span class="models">${modelsText(records)}</span></p>
${honesty}
</header>
<main>
${disagreement(records, manifest)}
${summary(records)}
${attention(rows)}
${distributions(records)}
${photos(rows)}
</main>
${footer(records)}
<script type="application/json" id="report-data">${jsonMarkup(rows)}</script>
<script type="module">${verbatim(script)}</script>`;
  return pageFrame({ title, style, script, imageSources: "data: 'self' file:", body });
}

function modelsText(records: readonly MetricsRecord[]): string {
  const models = [...new Set(records.map(({ model }) => `${model.name} ${model.version}`))].sort();
  return models.length === 0 ? '' : `${models.length === 1 ? 'Model' : 'Models'}: ${models.join(', ')}`;
}

function disagreement(records: readonly MetricsRecord[], { counts }: Manifest): Markup | undefined {
  const listed = summarise(records).counts;
  if (statuses.every((status) => listed[status] === counts[status])) return undefined;
  return html`<p class="warning" role="note"><strong>The manifest says something else.</strong> It counts ${pluralText(sum(Object.values(counts)), 'photo')}, this page lists ${countText(records.length)}. Run <code>manifest rebuild</code>, then make the report again.</p>`;
}

function summary(records: readonly MetricsRecord[]): Markup {
  const { counts, aggregates } = summarise(records);
  const times = records.flatMap(({ timings }) => photoMilliseconds(timings) ?? []);
  const measured = records.flatMap(({ faces }) => faces).filter(({ quality }) => quality !== null).length;
  const wholePhoto = (mean: number | null, digits: number) =>
    mean !== null && `whole photo ${decimalText(mean, digits)}: most of it was never covered`;
  const quality = [
    tile('PSNR under the mask', aggregates.meanRegionPsnr, 'dB', 1, wholePhoto(aggregates.meanPsnr, 1)),
    tile('SSIM under the mask', aggregates.meanRegionSsim, '', 3, wholePhoto(aggregates.meanSsim, 3)),
  ];
  return html`<section aria-labelledby="summary"><h2 id="summary" class="hidden">Summary</h2>
<dl class="tiles">
${textTile('Photos', countText(records.length), measured === 0 && 'no references given: quality was not measured')}
${textTile('Faces unmasked', countText(aggregates.facesUnmasked), `of ${countText(aggregates.faces)} found`)}
${measured > 0 && quality}
${textTile('Processing time', durationText(sum(times)), times.length > 0 && `${durationText(sum(times) / times.length)} a photo, waiting for others included`)}
</dl>
${statusChart(counts)}
</section>`;
}

function tile(
  name: string,
  value: number | null,
  unit: string,
  digits: number,
  note: string | false,
): Markup | undefined {
  if (value === null) return undefined;
  return textTile(name, decimalText(value, digits), note, unit);
}

function textTile(name: string, value: string, note: string | false, unit = ''): Markup {
  return html`<div><dt>${name}</dt><dd><span class="value">${value}${unit !== '' && html`<small> ${unit}</small>`}</span>${note && html`<span class="note">${note}</span>`}</dd></div>`;
}

/** Photos of one reason that are named here; the table has them all. */
const namedPerReason = 8;

/** Failures first, then rejections, the commonest reason first. */
function attention(rows: readonly PhotoRow[]): Markup | undefined {
  const groups = (['failed', 'rejected'] as const).flatMap((status) => {
    const byCode = Map.groupBy(
      rows.filter((row) => row.status === status),
      ({ reason }) => reason?.code ?? 'unknown',
    );
    return [...byCode]
      .sort(([, a], [, b]) => b.length - a.length)
      .map(([code, members]) => reasonGroup(status, code, members));
  });
  if (groups.length === 0) return undefined;
  return html`<section aria-labelledby="attention"><h2 id="attention">Failures and rejections</h2><div class="reasons">${groups}</div></section>`;
}

function reasonGroup(status: 'failed' | 'rejected', code: string, members: readonly PhotoRow[]): Markup {
  const messages = [...new Set(members.map(({ reason }) => reason?.message ?? 'No reason was recorded.'))];
  const named = members.slice(0, namedPerReason);
  const list =
    messages.length === 1
      ? html`<p>${messages}</p><ul class="names">${named.map((row) => html`<li>${metricsLink(row)}</li>`)}</ul>`
      : html`<ul>${named.map((row) => html`<li>${metricsLink(row)} <span class="why">${row.reason?.message}</span></li>`)}</ul>`;
  const more =
    members.length > namedPerReason &&
    html`<button type="button" class="all" data-status="${status}" data-text="${code}">Show all ${countText(members.length)} in the table</button>`;
  return html`<article><h3><span class="dot ${status}" aria-hidden="true"></span>${code} <span class="count">${pluralText(members.length, 'photo')} ${status}</span></h3>${list}${more}</article>`;
}

function metricsLink({ name, metricsUrl }: PhotoRow): Markup {
  if (metricsUrl === undefined) return html`<bdi class="name">${name}</bdi>`;
  return html`<a class="name" href="${metricsUrl}"><bdi>${name}</bdi></a>`;
}

function distributions(records: readonly MetricsRecord[]): Markup | undefined {
  const faces = records.flatMap((record) => record.faces);
  const qualities = faces.flatMap(({ quality }) => quality ?? []);
  const timings = records.map((record) => record.timings);
  const charts = [
    distribution('PSNR under the mask', 'face', measuredOf(qualities.map((quality) => quality.regionPsnr)), decibels),
    distribution('SSIM under the mask', 'face', measuredOf(qualities.map((quality) => quality.regionSsim)), ssimUnit),
    distribution('Visibility of the seam', 'face', measuredOf(faces.map(({ seam }) => seam)), seamUnit),
    distribution('Time a photo', 'photo', measuredOf(timings.map(photoMilliseconds)), durationUnit),
    stageChart(timings),
  ].filter((chart) => chart !== undefined);
  if (charts.length === 0) return undefined;
  return html`<section aria-labelledby="distributions"><h2 id="distributions">Quality and time</h2><div class="charts">${charts}</div></section>`;
}

const measuredOf = (values: readonly (number | null)[]): readonly number[] => values.filter((value) => value !== null);

function photos(rows: readonly PhotoRow[]): Markup {
  const filters = ['all', ...statuses].map((status) => {
    const count = status === 'all' ? rows.length : rows.filter((row) => row.status === status).length;
    return html`<label class="chip"><input type="radio" name="status" value="${status}"${status === 'all' && html` checked`}><span>${status} <b>${countText(count)}</b></span></label>`;
  });
  return html`<section id="photos" aria-labelledby="photos-title" tabindex="-1"><h2 id="photos-title">Photos</h2>
<noscript><p class="warning">The list of photos needs JavaScript (it runs in this page and loads nothing). Without it: the folder <a href="unmasked/">unmasked</a> has the photos, <a href="metrics/">metrics</a> the numbers.</p></noscript>
<form class="toolbar" hidden>
<fieldset class="chips"><legend class="hidden">Status</legend>${filters}</fieldset>
<div class="tools">
<label class="field grow"><span>Find by name, reason or format</span><input type="search" id="text" autocomplete="off" spellcheck="false"></label>
<label class="field"><span>Sort by</span><select id="sort"></select></label>
<button type="button" id="direction"></button>
<fieldset class="views"><legend class="hidden">View</legend><label class="chip"><input type="radio" name="view" value="gallery" checked><span>Gallery</span></label><label class="chip"><input type="radio" name="view" value="table"><span>Table</span></label></fieldset>
</div>
<p id="shown" role="status"></p>
</form>
<div id="list"></div>
<p id="print-note" hidden></p>
</section>`;
}

function footer(records: readonly MetricsRecord[]): Markup {
  return html`<footer class="page"><h2>How to read the numbers</h2>
<dl class="glossary">
<div><dt>Under the mask</dt><dd>Only the pixels that the mask covered, against a reference photo of the same person without it. Whole-photo figures are always higher, because most of the photo was never touched.</dd></div>
<div><dt>PSNR, SSIM</dt><dd>How close to the reference, pixel by pixel and in structure. They are measured only where a reference was given; nothing is estimated. A photo with several faces is listed with its worst.</dd></div>
<div><dt>Seam</dt><dd>How much the border of the imagined part stands out from what is beside it: about 1 is invisible, higher shows.</dd></div>
<div><dt>Noise</dt><dd>Estimated standard deviation of the photo&rsquo;s noise around the face, of 255.</dd></div>
</dl>
<p>Source of everything here: <a href="manifest/manifest.json">the manifest</a> and one metrics file per photo (${pluralText(records.length, 'photo')}). This page is one file; it loads nothing and sends nothing.</p>
</footer>`;
}
