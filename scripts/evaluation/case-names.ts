/** The cases as evaluate.py names them; I to IV are the paper's. Detection (VII) is measured by evaluate_detector.py. */
export const caseNames = ['I', 'I-celeba', 'II', 'III-15', 'III-25', 'IV', 'V', 'VI-bandana', 'VI-template'] as const;
export type CaseName = (typeof caseNames)[number];

export const caseTitles: Readonly<Record<CaseName, string>> = {
  I: 'mask on a plain face',
  'I-celeba': 'the same in the framing of CelebA, 178x218',
  II: 'rolled by up to 45 degrees',
  'III-15': 'noise of sigma 15 over the whole photo, denoised',
  'III-25': 'noise of sigma 25 over the whole photo, denoised',
  IV: 'noise of sigma 25 under the mask only',
  V: 'real masked photos',
  'VI-bandana': 'bandanas, a family of masks never drawn in training',
  'VI-template': 'pictures of masks, a family never drawn in training',
};

export type PublishedFigures = { readonly photos: number; readonly psnr: number; readonly ssim: number };

/** Fatima and Jhapate, "ResCNN: a deep learning approach for unmasking face mask", its table of results. Sizes, angles and noise are not given. */
export const paperFigures: Readonly<Partial<Record<CaseName, PublishedFigures>>> = {
  I: { photos: 10, psnr: 33.12, ssim: 0.951 },
  II: { photos: 5, psnr: 29.49, ssim: 0.84 },
  'III-15': { photos: 5, psnr: 31.9, ssim: 0.912 },
  'III-25': { photos: 5, psnr: 31.9, ssim: 0.912 },
  IV: { photos: 100, psnr: 30.67, ssim: 0.88 },
};

/** Whether the first stage cleans the whole photo before the mask comes off. */
export const isDenoisedWhole = (name: CaseName): boolean => name.startsWith('III-');
