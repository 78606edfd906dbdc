import type { Detector } from '#pipeline/ports.ts';
import { createDetector, readParameters } from './detector.ts';
import { createEyeLocator, withLocatedEyes } from './eye-locator.ts';
import type { Models } from './model.ts';

/** The networks behind `openDetector`: what a run needs to have verified and may want to have warm. */
export const detectorModels = ['mask-detector', 'eye-locator'] as const;

/**
 * Small and lying faces get scores below the model's threshold, which was chosen for precision. Down to this one they are taken if the
 * eye-locator is certain of them. With the finer tiles and the second look, on 75 test photos of crowds and faces of 40 px and more, recall
 * rose from .82 to .84 upright and from .57 to .69 turned by a quarter, false faces from 6 to 13 and from 2 to 15, with eye-locator 0.1.0;
 * with 0.2.0 recall is .86 and .71, false faces are 9 and 8 (test/vision/face-sizes.test.ts).
 */
const leastScore = 0.4;

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
