import type { ModelDescription } from '#vision/model-description.ts';
import { type Aim, aims } from './aims.ts';
import { type CaseName, caseNames, caseTitles, paperFigures } from './case-names.ts';
import { groupsOf } from './groups.ts';
import type { Result } from './results-file.ts';
import { type Figure, isBaseline, type RowSummary } from './summary.ts';

export type TablesContent = {
  readonly summaries: readonly RowSummary[];
  readonly results: readonly Result[];
  readonly models: readonly ModelDescription[];
  readonly createdAt: Date;
};

/** Everything as Markdown: the paper's cases beside the paper, each case with all rows, real photos, detection, aims, groups. */
export function tables(content: TablesContent): string {
  const { summaries, models, createdAt } = content;
  return [
    '# Evaluation',
    '',
    `${createdAt.toISOString().slice(0, 16).replace('T', ' ')} UTC, by \`npm run evaluate\`: the shipped networks through the shipped TypeScript inference, on people that training never saw. **What an unmasker draws is imagined: plausible, not true.**`,
    '',
    ...models.map(({ name, version, sha256 }) => `- \`${name}\` ${version}, sha256 \`${sha256.slice(0, 16)}\``),
    '',
    'RGB, peak 255, mean over photos; SSIM after Wang et al. 2004. The region is what the mask covers. Gradient energy: of the region, relative to the truth, median (mean). Brackets: 95 % bootstrap interval. Fills "told the region" are given what the networks have to find. "Whole pipeline": file in, file out, with the product\'s own detector, eyes, grain and edges; measured where it found a mask, which `found` tells.',
    '',
    ...paperTable(summaries),
    ...caseNames.flatMap((name) => caseTable(name, summaries)),
    ...detectionTable(models),
    ...aimsTable(aims(summaries, models)),
    ...groupTables(content),
  ].join('\n');
}

const networksOf = (summaries: readonly RowSummary[]): readonly RowSummary[] =>
  summaries.filter(({ row }) => row !== 'masked' && !isBaseline(row));

function paperTable(summaries: readonly RowSummary[]): readonly string[] {
  const names = caseNames.filter((name) => paperFigures[name] && summaries.some((summary) => summary.case === name));
  if (names.length === 0) return [];
  const lines = names.flatMap((name) => {
    const paper = paperFigures[name];
    const own = networksOf(summaries.filter((summary) => summary.case === name));
    return [
      ...(paper
        ? [
            [
              caseLabel(name),
              'the paper',
              String(paper.photos),
              paper.psnr.toFixed(2),
              ssimText(paper.ssim),
              '',
              '',
              '',
              'not given',
            ],
          ]
        : []),
      ...own.map(({ row, n, figures }) => [
        '',
        rowLabel(row),
        String(n),
        decibels(figures.psnr),
        similarity(figures.ssim),
        decibels(figures.psnrEq8),
        decibels(figures.regionPsnr),
        similarity(figures.regionSsim),
        percent(figures.area.mean),
      ]),
    ];
  });
  return [
    "## The paper's four cases",
    '',
    ...markdownTable(
      ['case', 'who', 'n', 'PSNR (dB)', 'SSIM', 'psnrEq8 (dB)', 'region PSNR (dB)', 'region SSIM', 'area'],
      lines,
    ),
    'The paper gives neither sizes nor angles nor noise, and its equation 8 is not PSNR (column psnrEq8). Whole-photo figures depend on the share of the photo that is covered: compare the region first. A GAN published before it: 26 dB / .86.',
    '',
  ];
}

function caseTable(name: CaseName, summaries: readonly RowSummary[]): readonly string[] {
  const rows = summaries.filter((summary) => summary.case === name);
  if (rows.length === 0) return [];
  return [`## ${caseLabel(name)}`, '', ...(name === 'V' ? realTable(rows) : syntheticTable(rows))];
}

function syntheticTable(rows: readonly RowSummary[]): readonly string[] {
  return markdownTable(
    [
      'row',
      'region PSNR (dB)',
      'above harmonic (dB)',
      'region SSIM',
      'PSNR (dB)',
      'SSIM',
      'psnrEq8 (dB)',
      'visible PSNR (dB)',
      'gradient energy',
      'area',
      'region IoU',
      'left over',
      'found',
      'n',
    ],
    rows.map(({ row, n, photos, figures }) => [
      rowLabel(row),
      decibels(figures.regionPsnr, 'interval'),
      signed(figures.aboveHarmonic),
      similarity(figures.regionSsim, 'interval'),
      decibels(figures.psnr),
      similarity(figures.ssim),
      decibels(figures.psnrEq8),
      decibels(figures.visiblePsnr),
      energy(figures.gradientEnergy),
      percent(figures.area.mean),
      similarity(figures.iou),
      row === 'masked' ? '' : percent(figures.leftOver.mean),
      row.endsWith('+pipeline') ? percent(n / photos) : '',
      String(n),
    ]),
  );
}

function realTable(rows: readonly RowSummary[]): readonly string[] {
  return [
    ...markdownTable(
      [
        'row',
        'region IoU',
        'median IoU',
        'mask left over',
        'straps left over',
        'eyes erased',
        'ears erased',
        'erased beyond',
        'found',
        'n',
      ],
      rows.map(({ row, n, photos, figures }) => [
        rowLabel(row),
        similarity(figures.iou, 'interval'),
        figures.iou.median === null ? '' : ssimText(figures.iou.median),
        percent(figures.leftOver.mean),
        percent(figures.strapsLeft.mean),
        percent(figures.eyesErased.mean),
        percent(figures.earsErased.mean),
        percent(figures.beyondErased.mean),
        row.endsWith('+pipeline') ? percent(n / photos) : '',
        String(row.endsWith('+pipeline') ? photos : n),
      ]),
    ),
    'Against outlines drawn by hand; their own error limits the IoU of a perfect answer to about .96. Nobody knows what these masks hide, so there is no PSNR. Erased beyond: what is neither mask, eye nor ear and lies further than 6 px from fabric and straps, in areas of the fabric.',
    '',
  ];
}

/** Quoted from what evaluate_detector.py measured when the detector was exported. */
function detectionTable(models: readonly ModelDescription[]): readonly string[] {
  const scores = models.find(({ task }) => task === 'localise')?.scores ?? {};
  const number = (name: string) => (typeof scores[name] === 'number' ? scores[name] : undefined);
  const lines = [
    ['AP50, masked faces of 24 px and more', number('ap50_masked'), number('n_masked'), '.90'],
    ['AP50, bare faces of 24 px and more', number('ap50_bare'), number('n_bare'), '.80'],
    [
      'AUC of P(mask), photos of sources that training never saw',
      number('auc_other_sources'),
      add(number('n_other_sources_masked'), number('n_other_sources_bare')),
      '.995',
    ],
    [
      'masked face found in photos of people wearing masks',
      number('masked photos recall'),
      number('masked photos n'),
      '',
    ],
  ] as const;
  const known = lines.flatMap(([what, value, n, aim]) =>
    value === undefined ? [] : [[what, ssimText(value), n === undefined ? '' : String(n), aim]],
  );
  if (known.length === 0) return [];
  return [
    '## Case VII: detection',
    '',
    ...markdownTable(['what', 'measured', 'n', 'aim'], known),
    'By `evaluate_detector.py`, when the detector was exported (models.json).',
    '',
  ];
}

const add = (one: number | undefined, other: number | undefined) =>
  one === undefined || other === undefined ? undefined : one + other;

function aimsTable(reached: readonly Aim[]): readonly string[] {
  if (reached.length === 0) return [];
  return [
    '## Against the aims',
    '',
    ...markdownTable(
      ['what', 'aim', 'measured', ''],
      reached.map(({ what, aim, measured, holds }) => [what, aim, measured, holds ? 'reached' : 'missed']),
    ),
  ];
}

function groupTables({ results, summaries }: TablesContent): readonly string[] {
  const networks = [...new Set(networksOf(summaries).map(({ row }) => row))].filter(
    (row) => !row.endsWith('+pipeline'),
  );
  return networks.flatMap((row) => {
    const groups = groupsOf(results, row);
    if (groups.length === 0) return [];
    return [
      `## Groups of case I, ${rowLabel(row)}`,
      '',
      ...markdownTable(
        [
          'group',
          'region PSNR (dB)',
          'above harmonic (dB)',
          'region SSIM',
          'gradient energy',
          'region IoU',
          'left over',
          'n',
        ],
        groups.map(({ group, summary: { n, figures } }) => [
          group,
          decibels(figures.regionPsnr, 'interval'),
          signed(figures.aboveHarmonic),
          similarity(figures.regionSsim),
          energy(figures.gradientEnergy),
          similarity(figures.iou),
          percent(figures.leftOver.mean),
          String(n),
        ]),
      ),
    ];
  });
}

function markdownTable(head: readonly string[], lines: readonly (readonly string[])[]): readonly string[] {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...lines.map(line), ''];
}

const caseLabel = (name: CaseName): string => `Case ${name}: ${caseTitles[name]}`;

const baselineLabels: Readonly<Record<string, string>> = {
  masked: 'mask left on',
  harmonic: 'harmonic fill, told the region',
  telea: 'Telea (OpenCV), told the region',
  ridge: 'linear ridge, told the region',
  'kernel-ridge': 'kernel ridge, told the region',
};

export const rowLabel = (row: string): string => baselineLabels[row] ?? row.replace(/\+pipeline$/, ', whole pipeline');

type Shown = 'interval' | 'mean';

function decibels({ mean, low, high }: Figure, shown: Shown = 'mean'): string {
  if (mean === null) return '';
  return shown === 'mean' || low === null || high === null
    ? mean.toFixed(2)
    : `${mean.toFixed(2)} (${low.toFixed(2)} .. ${high.toFixed(2)})`;
}

function similarity({ mean, low, high }: Figure, shown: Shown = 'mean'): string {
  if (mean === null) return '';
  return shown === 'mean' || low === null || high === null
    ? ssimText(mean)
    : `${ssimText(mean)} (${ssimText(low)} .. ${ssimText(high)})`;
}

const signed = ({ mean, low, high }: Figure): string =>
  mean === null || low === null || high === null ? '' : `${plus(mean)} (${plus(low)} .. ${plus(high)})`;

const energy = ({ mean, median }: Figure): string =>
  mean === null || median === null ? '' : `${median.toFixed(2)} (${mean.toFixed(2)})`;

const plus = (value: number): string => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(2)}`;
const ssimText = (value: number): string => value.toFixed(3).replace(/^(-?)0\./, '$1.');
const percent = (share: number | null): string => (share === null ? '' : `${(100 * share).toFixed(1)} %`);
