import { createHash } from 'node:crypto';
import { cropSize } from '#image/geometry.ts';
import { warpRaster } from '#image/warp.ts';
import type { Denoiser } from '#pipeline/ports.ts';
import { createDenoiser } from '#vision/denoiser.ts';
import type { Model, Models } from '#vision/model.ts';
import { openDetector } from '#vision/open-detector.ts';
import { type AnswerTools, networkAnswer, pipelineAnswer, readRaster, unmaskCrop } from './answers.ts';
import { type CaseName, isDenoisedWhole } from './case-names.ts';
import type { CasePhoto } from './case-photos.ts';
import { type Answer, type Measures, measureAnswer, measureOutline, nothingMeasured } from './measures.ts';
import { changedPixels, planeOf } from './planes.ts';
import { type Result, resultOf } from './results-file.ts';

/** One line of every table: something that takes masks off, or leaves them on. */
export type Row = {
  readonly name: string;
  /** What the answer depends on besides the photo: another text is another answer. */
  networksFor(name: CaseName): string;
  /** Whether there is anything to measure on such a photo. */
  applies(photo: CasePhoto): boolean;
  /** The answer in the photo's framing (in the crop's, for the network on case V); undefined where no mask was found. */
  answer(photo: CasePhoto): Promise<Answer | undefined>;
};

export const maskedRow = 'masked';
export const pipelineRow = (model: string): string => `${model}+pipeline`;

/** Every row that there is: the mask left on, each unmasker of models.json alone, and the whole pipeline with each. Nothing is opened yet. */
export function createRows(models: Models, codec: AnswerTools['codec']): readonly Row[] {
  const denoiser = createDenoiser(models.lazily('denoiser'));
  const tools = { codec, detector: openDetector(models), denoiser };
  const unmaskers = models.descriptions
    .filter(({ task }) => task === 'unmask')
    .map(({ name }) => models.lazily(name))
    .sort((a, b) => tableOrder(a.identity.name) - tableOrder(b.identity.name));
  return [
    leftOnRow(denoiser, codec),
    ...unmaskers.map((model) => networkRow(model, denoiser, codec)),
    ...unmaskers.map((model) => wholeRow(model, tools)),
  ];
}

/** As published, then the least error, then what is shipped as the default; others before these. */
const tableOrder = (model: string): number => ['rescnn-56', 'rescnn-fidelity', 'rescnn'].indexOf(model);

/** What a photo scores when nothing is taken off; denoised first where the case says so, as for the others. */
function leftOnRow(denoiser: Denoiser, codec: AnswerTools['codec']): Row {
  return {
    name: maskedRow,
    networksFor: (name) => (isDenoisedWhole(name) ? hashOf(denoiser.model) : ''),
    applies: ({ truth }) => truth !== undefined,
    async answer({ case: name, photo }) {
      const raster = await readRaster(photo, codec);
      return { raster: isDenoisedWhole(name) ? await denoiser.denoise(raster) : raster };
    },
  };
}

function networkRow(model: Model, denoiser: Denoiser, codec: AnswerTools['codec']): Row {
  return {
    name: model.identity.name,
    networksFor: (name) => hashOf(model.identity, ...(isDenoisedWhole(name) ? [denoiser.model] : [])),
    applies: () => true,
    async answer(photo) {
      const raster = await readRaster(photo.photo, codec);
      if (photo.truth !== undefined || !photo.toCrop) return networkAnswer(raster, photo, model, denoiser);
      const crop = warpRaster(raster, photo.toCrop, cropSize, cropSize);
      const { unmasked, region, probability } = await unmaskCrop(crop, model);
      return { raster: unmasked, restored: region, probability };
    },
  };
}

function wholeRow(model: Model, tools: AnswerTools): Row {
  return {
    name: pipelineRow(model.identity.name),
    networksFor: () => hashOf(model.identity, tools.denoiser.model, tools.detector.model),
    applies: () => true,
    async answer(photo) {
      const raster = await pipelineAnswer(photo, model, tools);
      if (!raster) return undefined;
      // A denoised photo has changed everywhere, and so has one that was encoded with loss: what was restored cannot be told.
      const untold = isDenoisedWhole(photo.case) || photo.truth === undefined;
      return untold
        ? { raster }
        : { raster, restored: changedPixels(raster, await readRaster(photo.photo, tools.codec)) };
    },
  };
}

/** Answers and measures. About 0.2 s of one core, with rescnn-56 1 s. */
export async function measureRow(row: Row, photo: CasePhoto, codec: AnswerTools['codec']): Promise<Result> {
  const answer = await row.answer(photo);
  const measures = answer ? await measured(answer, photo, codec) : nothingMeasured;
  return resultOf(photo, {
    row: row.name,
    networks: row.networksFor(photo.case),
    found: answer !== undefined,
    measures,
  });
}

async function measured(answer: Answer, photo: CasePhoto, codec: AnswerTools['codec']): Promise<Measures> {
  const drawn = await readRaster(photo.region, codec);
  if (photo.truth === undefined) return measureOutline(drawn, answer);
  const covered = { garment: planeOf(drawn, 1), fabric: planeOf(drawn, 255) };
  return measureAnswer(await readRaster(photo.truth, codec), covered, answer);
}

const hashOf = (...identities: readonly { readonly sha256: string }[]): string =>
  createHash('sha256')
    .update(identities.map(({ sha256 }) => sha256).join())
    .digest('hex')
    .slice(0, 16);
