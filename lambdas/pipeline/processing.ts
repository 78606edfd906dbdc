import { z } from 'zod';
import type { ModelIdentity } from './ports.ts';

/**
 * What the denoiser, the paper's first stage, is used for when a photo is noisy.
 * `region`: the unmasker sees a denoised crop, no pixel outside the region changes.
 * `photo`: the whole photo is cleaned first (the paper's case III). `off`: never.
 */
export const denoiseModes = ['region', 'photo', 'off'] as const;
export type DenoiseMode = (typeof denoiseModes)[number];
export const denoiseModeSchema = z.enum(denoiseModes);

/** Everything that decides what a photo becomes, so that the same upload processed the same way is the same job. */
export type Processing = {
  readonly detector: ModelIdentity;
  readonly denoiser: ModelIdentity;
  readonly unmasker: ModelIdentity;
  readonly denoise: DenoiseMode;
  /** Digest of every network's file and parameters: another threshold finds other faces. */
  readonly settings: string;
};
