/**
 * Why a photo ended `rejected`, `no-face` or `failed`, or what is worth knowing about another ending. The code is stable, for scripts; the sentence is for people and may change.
 */
export const reasonCodes = [
  'empty',
  'unreadable',
  'not-an-image',
  'unsupported-format',
  'heic',
  'animated',
  'truncated',
  'too-large',
  'too-small',
  'extreme-aspect',
  'no-face',
  'no-region',
  'reference-unusable',
  'dead-letter',
  'internal',
] as const;

export type ReasonCode = (typeof reasonCodes)[number];

/** Of photos that ended `failed`: unmasking gave up, or the check did. */
export const failureCodes = ['dead-letter', 'internal'] as const satisfies readonly ReasonCode[];

export type Reason = { readonly code: ReasonCode; readonly message: string };
