import type { Box } from '#image/box.ts';
import type { Point } from '#image/geometry.ts';

/** A localised face, in pixels of the upright photo. */
export type Face = {
  readonly box: Box;
  /** The person's right eye (on the image's left when the head is upright), then the person's left eye. */
  readonly eyes: readonly [Point, Point];
  /** 0..1, how sure the detector is that this is a face. */
  readonly score: number;
  /** 0..1, calibrated. */
  readonly maskProbability: number;
  /** `maskProbability` at or above the model's threshold. */
  readonly masked: boolean;
  /** Present where `maskProbability` lies in the band in which the model abstains: `masked` is a guess. */
  readonly unsure?: true | undefined;
};

/** Clockwise rotation of the head in the photo, -180..180: 0 is upright, 90 means that the person's top of head points right. */
export function rollDegrees({ eyes: [right, left] }: Pick<Face, 'eyes'>): number {
  return (Math.atan2(left.y - right.y, left.x - right.x) * 180) / Math.PI;
}
