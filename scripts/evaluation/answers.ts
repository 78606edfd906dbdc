import { readFile } from 'node:fs/promises';
import { cropSize } from '#image/geometry.ts';
import { pasteRegion } from '#image/paste.ts';
import type { Plane, Raster } from '#image/raster.ts';
import { warpRaster } from '#image/warp.ts';
import { createEmbeddedPipeline } from '#local/embedded-pipeline.ts';
import { createMemoryQueue } from '#local/memory-queue.ts';
import { systemClock } from '#local/system-clock.ts';
import { unmaskedKey } from '#pipeline/photo.ts';
import type { Codec, Denoiser, Detector } from '#pipeline/ports.ts';
import type { DenoiseMode } from '#pipeline/processing.ts';
import type { Model } from '#vision/model.ts';
import { createUnmasker } from '#vision/unmasker.ts';
import { isDenoisedWhole } from './case-names.ts';
import type { CasePhoto } from './case-photos.ts';
import type { Answer } from './measures.ts';
import { createMemoryStore } from './memory-store.ts';
import { planeInPhoto, wholePlane } from './planes.ts';

export type AnswerTools = {
  readonly codec: Codec;
  readonly detector: Detector;
  readonly denoiser: Denoiser;
};

/** @throws Error when the file is no photo that the pipeline takes. */
export async function readRaster(file: string, codec: Codec): Promise<Raster> {
  const decoded = await codec.decode(await readFile(file));
  if ('rejected' in decoded) throw new Error(`Expected a photo at ${file}. ${decoded.rejected.message}`);
  return decoded.raster;
}

export type CropAnswer = { readonly unmasked: Raster; readonly region: Plane; readonly probability: Plane };

/** The shipped unmasker on one aligned crop, with P(garment), which the pipeline does not ask for. */
export async function unmaskCrop(crop: Raster, model: Model): Promise<CropAnswer> {
  let probability: Float32Array | undefined;
  const listening: Model = {
    ...model,
    async run(input) {
      const outputs = await model.run(input);
      probability = outputs.maskProbability;
      return outputs;
    },
  };
  const { unmasked, region } = await createUnmasker(listening).unmask(crop);
  if (!probability) throw new Error(`Expected output maskProbability of ${model.identity.name}.`);
  return { unmasked, region, probability: { width: crop.width, height: crop.height, data: probability } };
}

/**
 * The network alone: on the crop that the true eyes give, its answer put back without feather, grain or harmonised colours. What
 * evaluate.py measures; noise is taken off the whole photo first where the case says so.
 */
export async function networkAnswer(
  photo: Raster,
  { case: name, toCrop }: Pick<CasePhoto, 'case' | 'toCrop'>,
  model: Model,
  denoiser: Denoiser,
): Promise<Answer> {
  const seen = isDenoisedWhole(name) ? await denoiser.denoise(photo) : photo;
  if (!toCrop) {
    const { unmasked, region, probability } = await unmaskCrop(seen, model);
    return { raster: unmasked, restored: region, probability };
  }
  const { unmasked, region, probability } = await unmaskCrop(warpRaster(seen, toCrop, cropSize, cropSize), model);
  const pasted = pasteRegion(seen, { unmasked, region }, toCrop, { featherPixels: 0, grain: null, harmonise: false });
  return {
    raster: pasted.raster,
    restored: wholePlane(pasted.region, photo),
    probability: planeInPhoto(probability, toCrop, photo),
  };
}

/**
 * The whole product: file in, file out, its own eyes and edges, as a run would do it. Undefined where it found no mask to take off. The
 * whole photo is denoised where the case says so, else only what the network sees.
 */
export async function pipelineAnswer(
  { case: name, photo }: Pick<CasePhoto, 'case' | 'photo'>,
  model: Model,
  { codec, detector, denoiser }: AnswerTools,
): Promise<Raster | undefined> {
  const unmasker = createUnmasker(model);
  const denoise: DenoiseMode = isDenoisedWhole(name) ? 'photo' : 'region';
  const key = 'photos/face';
  const photos = createMemoryStore({ [key]: await readFile(photo) });
  const results = createMemoryStore();
  const head = await photos.head(key);
  const deadLetters = createMemoryQueue();
  let failure: string | undefined;
  const pipeline = createEmbeddedPipeline({
    ...{ codec, detector, denoiser, unmasker, photos, results, clock: systemClock },
    processing: {
      detector: detector.model,
      denoiser: denoiser.model,
      unmasker: unmasker.model,
      denoise,
      settings: '', // the results are thrown away: no job is ever compared with another
    },
    queue: createMemoryQueue({ visibilitySeconds: 3600, maxReceiveCount: 1, deadLetters }),
    deadLetters,
    onSettled: ({ record: { status, reason } }) => {
      if (status === 'failed' || status === 'rejected') failure = `${status}: ${reason?.message}`;
    },
  });
  await pipeline.process({ bucket: 'evaluation', key, etag: head?.etag ?? '', bytes: head?.bytes ?? 0 });
  if (failure !== undefined) throw new Error(`Expected the pipeline to take ${photo}, but it was ${failure}`);
  const unmasked = await results.get(unmaskedKey(key));
  if (!unmasked) return undefined;
  const decoded = await codec.decode(unmasked.bytes);
  if ('rejected' in decoded) throw new Error(`Expected to read what the pipeline wrote. ${decoded.rejected.message}`);
  return decoded.raster;
}
