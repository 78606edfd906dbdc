import type { Detector } from '#pipeline/ports.ts';
import { createDetector } from './detector.ts';
import { createEyeLocator, withLocatedEyes } from './eye-locator.ts';
import type { Models } from './model.ts';

/** The networks behind `openDetector`: what a run needs to have verified and may want to have warm. */
export const detectorModels = ['mask-detector', 'eye-locator'] as const;

/** The detector of the product: mask-detector finds the faces and their masks, eye-locator their eyes. Opened by the first photo. */
export function openDetector(models: Models): Detector {
  return withLocatedEyes(
    createDetector(models.lazily('mask-detector')),
    createEyeLocator(models.lazily('eye-locator')),
  );
}
