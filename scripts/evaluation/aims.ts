import type { ModelDescription } from '#vision/model-description.ts';
import type { CaseName } from './case-names.ts';
import type { MeasureName } from './measures.ts';
import { pipelineRow } from './rows.ts';
import type { RowSummary } from './summary.ts';

export type Aim = { readonly what: string; readonly aim: string; readonly measured: string; readonly holds: boolean };

/** What this project set out to reach, next to what was measured; aims about which nothing was measured are left out. */
export function aims(summaries: readonly RowSummary[], models: readonly ModelDescription[]): readonly Aim[] {
  const figures = (name: CaseName, row: string) =>
    summaries.find((summary) => summary.case === name && summary.row === row)?.figures;
  const meanOf = (name: CaseName, row: string, measure: MeasureName | 'aboveHarmonic') =>
    figures(name, row)?.[measure].mean ?? Number.NaN;
  const region = (name: CaseName, row: string) => meanOf(name, row, 'regionPsnr');
  const difference = (value: number) => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(2)} dB`;
  const decibels = (value: number) => `${value.toFixed(2)} dB`;
  const ratio = (value: number) => value.toFixed(3).replace(/^0\./, '.');

  const atLeast = (what: string, value: number, least: number, text: (value: number) => string): Aim => ({
    what,
    aim: `at least ${text(least)}`,
    measured: text(value),
    holds: value >= least,
  });
  const asDetailed = (what: string, row: string): Aim => {
    const energy = figures('I', row)?.gradientEnergy.median ?? Number.NaN;
    const holds = energy >= 0.75 && energy <= 1.15;
    return { what, aim: '.75 to 1.15 of the truth', measured: energy.toFixed(2).replace(/^0\./, '.'), holds };
  };
  const fidelity = 'rescnn-fidelity';
  const overRidge = region('I', fidelity) - region('I', 'kernel-ridge');
  const naturalCost = region('I', fidelity) - region('I', 'rescnn');
  const rolled = region('II', fidelity) - region('I', fidelity);
  const distorted = region('IV', fidelity) - region('I', fidelity);
  const left = meanOf('V', 'rescnn', 'leftOver');
  const megabytes = (models.find(({ name }) => name === 'rescnn')?.bytes ?? Number.NaN) / 1e6;
  return [
    atLeast(`I, ${fidelity} over the harmonic fill, region`, meanOf('I', fidelity, 'aboveHarmonic'), 6.5, difference),
    atLeast(`I, ${fidelity} over kernel ridge, region`, overRidge, 2.5, difference),
    atLeast(`I, ${fidelity}, SSIM of the whole photo`, meanOf('I', fidelity, 'ssim'), 0.935, ratio),
    atLeast(`I in 178x218, ${fidelity}, PSNR of the whole photo`, meanOf('I-celeba', fidelity, 'psnr'), 31.5, decibels),
    atLeast(`I in 178x218, ${fidelity}, SSIM of the whole photo`, meanOf('I-celeba', fidelity, 'ssim'), 0.958, ratio),
    {
      what: `II against I, ${fidelity}, region`,
      aim: 'within 0.50 dB',
      measured: difference(rolled),
      holds: Math.abs(rolled) <= 0.5,
    },
    {
      what: `IV against I, ${fidelity}, region`,
      aim: 'within 0.10 dB',
      measured: difference(distorted),
      holds: Math.abs(distorted) <= 0.1,
    },
    atLeast(
      'III, sigma 15, what the denoiser leaves beside the mask',
      meanOf('III-15', 'masked', 'visiblePsnr'),
      33.5,
      decibels,
    ),
    atLeast(
      'III, sigma 25, what the denoiser leaves beside the mask',
      meanOf('III-25', 'masked', 'visiblePsnr'),
      31.5,
      decibels,
    ),
    asDetailed('I, rescnn, gradient energy, median', 'rescnn'),
    asDetailed('I, rescnn in the whole pipeline, gradient energy, median', pipelineRow('rescnn')),
    {
      what: `I, rescnn below ${fidelity}, region`,
      aim: 'at most 1.00 dB',
      measured: decibels(naturalCost),
      holds: naturalCost <= 1,
    },
    atLeast('I, rescnn, region IoU', meanOf('I', 'rescnn', 'iou'), 0.97, ratio),
    atLeast('V, rescnn, region IoU on real photos', meanOf('V', 'rescnn', 'iou'), 0.92, ratio),
    {
      what: 'V, rescnn, mask left over on real photos',
      aim: 'below 1 %',
      measured: `${(100 * left).toFixed(1)} %`,
      holds: left < 0.01,
    },
    {
      what: 'size of rescnn',
      aim: 'at most 12 MB',
      measured: `${megabytes.toFixed(1)} MB`,
      holds: megabytes <= 12,
    },
  ].filter(({ measured }) => !measured.includes('NaN'));
}
