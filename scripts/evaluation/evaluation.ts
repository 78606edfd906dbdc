import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createCodec } from '#vision/codec.ts';
import { exitCodes, UsageError } from '../commands/exit-codes.ts';
import { listenForInterrupt } from '../commands/interrupt.ts';
import { openModels, photosAtOnce } from '../commands/open-tools.ts';
import { fromShell } from '../commands/paths.ts';
import { readBaselines } from './baselines.ts';
import { type CaseName, caseNames } from './case-names.ts';
import { casePhotos, selectPhotos } from './case-photos.ts';
import { measureAll } from './measure-all.ts';
import { areaPlot, casesPlot, regionPsnrPlot } from './plots.ts';
import { createEvaluationProgress } from './progress.ts';
import { createRows, maskedRow, pipelineRow } from './rows.ts';
import { writeSheet } from './sheets.ts';
import { baselineRows, summariseResults } from './summary.ts';
import { tables } from './tables.ts';

export type EvaluationOptions = {
  readonly photos: string;
  readonly data?: string;
  readonly baselines?: string;
  readonly out: string;
  readonly cases?: readonly CaseName[];
  readonly models?: readonly string[];
  readonly faces?: number;
  readonly pipeline: boolean;
  readonly sheet: number;
  readonly json?: boolean;
};

/** `npm run evaluate`: measures what is missing, then writes tables, plots and contact sheets about everything that was measured. */
export async function evaluation(options: EvaluationOptions): Promise<void> {
  const { faces, pipeline, sheet, json = false } = options;
  const out = fromShell(options.out);
  const data = options.data === undefined ? undefined : fromShell(options.data);
  const all = await casePhotos({ rendered: fromShell(options.photos), data });
  const cases = options.cases ?? caseNames.filter((name) => all.some((photo) => photo.case === name));
  const photos = selectPhotos(all, { cases, faces });
  if (photos.length === 0)
    throw new UsageError('Expected photos of the cases asked for, but there are none; case V needs --data.');

  const concurrency = photosAtOnce();
  const models = await openModels({ atOnce: concurrency });
  const unmaskers = models.descriptions.filter(({ task }) => task === 'unmask');
  const names = options.models ?? unmaskers.map(({ name }) => name);
  const unknown = names.find((name) => !unmaskers.some((model) => model.name === name));
  if (unknown !== undefined)
    throw new UsageError(
      `Expected models among ${unmaskers.map(({ name }) => name).join(', ')} but received ${unknown}.`,
    );
  await models.verify(models.names);
  const codec = createCodec();
  const rows = createRows(models, codec);
  const wanted = new Set([maskedRow, ...names, ...(pipeline ? names.map(pipelineRow) : [])]);
  const asked = rows.filter(({ name }) => wanted.has(name));

  const interrupt = listenForInterrupt();
  const progress = createEvaluationProgress(json);
  const measured = await measureAll({
    known: { photos: all, rows },
    photos,
    rows: asked,
    codec,
    file: join(out, 'results.csv'),
    concurrency,
    interrupt,
    onStart: progress.start,
    onResult: progress.measured,
  }).finally(progress.stop);

  const baselines = options.baselines === undefined ? [] : await readBaselines(fromShell(options.baselines), measured);
  const results = [...measured, ...baselines];
  const order = [maskedRow, ...baselineRows, ...rows.map(({ name }) => name).filter((name) => name !== maskedRow)];
  const summaries = summariseResults(results, order);
  const createdAt = new Date();
  const described = unmaskers.concat(models.descriptions.filter(({ task }) => task !== 'unmask'));
  await mkdir(join(out, 'plots'), { recursive: true });
  await writeFile(join(out, 'tables.md'), tables({ summaries, results, models: described, createdAt }));
  const identities = described.map(({ name, version, sha256 }) => ({ name, version, sha256 }));
  const summary = { schemaVersion: 1, createdAt: createdAt.toISOString(), models: identities, rows: summaries };
  await writeFile(join(out, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`);
  const plots = {
    'region-psnr': regionPsnrPlot(results, order),
    'psnr-against-area': areaPlot(results, order),
    cases: casesPlot(summaries),
  };
  for (const [name, plot] of Object.entries(plots)) {
    if (plot) await writeFile(join(out, 'plots', `${name}.svg`), plot.markup);
  }

  const judge = names.includes('rescnn') ? 'rescnn' : names.at(-1);
  const sheets: string[] = [];
  for (const name of sheet > 0 && judge !== undefined ? cases : []) {
    if (interrupt.aborted) break;
    const file = await writeSheet({
      name,
      photos,
      rows: asked,
      results,
      judge: judge ?? '',
      each: sheet,
      codec,
      folder: join(out, 'sheets'),
    });
    if (file !== undefined) sheets.push(file);
  }

  if (json) {
    for (const row of summaries) console.log(JSON.stringify({ event: 'row', ...row }));
    console.log(
      JSON.stringify({ event: 'summary', tables: join(out, 'tables.md'), sheets, interrupted: interrupt.aborted }),
    );
  } else {
    console.log(
      `Tables:   ${join(out, 'tables.md')}\nFigures:  ${join(out, 'results.csv')}, ${join(out, 'summary.json')}`,
    );
    console.log(`Pictures: ${join(out, 'plots')}${sheets.length > 0 ? `, ${join(out, 'sheets')}` : ''}`);
  }
  if (interrupt.aborted) {
    console.error('Stopped early; the same command again measures the rest.');
    process.exitCode = exitCodes.interrupted;
  }
}
