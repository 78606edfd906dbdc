import type { Detector } from '#pipeline/ports.ts';
import { createDetector, readParameters } from './detector.ts';
import { createEyeLocator, withLocatedEyes } from './eye-locator.ts';
import type { Models } from './model.ts';

/** The networks behind `openDetector`: what a run needs to have verified and may want to have warm. */
export const detectorModels = ['mask-detector', 'eye-locator'] as const;

/**
 * Small and lying faces get scores below the model's threshold, which was chosen for precision. Down to this one they are taken if the
 * eye-locator is certain of them. On 75 test photos of crowds, of faces of 40 px and more, .91 are found upright and .87 turned by a quarter,
 * with 13 and 8 false ones (test/vision/face-sizes.test.ts). On validation, with mask-detector 0.3.0 and the locator's own threshold still
 * at .9, .4 would have found one or two in a hundred more, and called 23 false faces masked instead of 14 (all four turns).
 */
const leastScore = 0.45;

/** The detector of the product: mask-detector finds the faces and their masks, eye-locator their eyes. Opened by the first photo. */
export function openDetector(models: Models): Detector {
  const model = models.lazily('mask-detector');
  const { scoreThreshold } = readParameters(model);
  return withLocatedEyes(
    createDetector(model, { leastScore: Math.min(leastScore, scoreThreshold) }),
    createEyeLocator(models.lazily('eye-locator')),
    { sureScore: scoreThreshold },
  );
}
