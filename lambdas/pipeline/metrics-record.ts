import { z } from 'zod';
import { type ReasonCode, reasonCodes } from './reason.ts';
import { type Status, statuses } from './status.ts';

// The metrics JSON is a contract with other people's scripts: fields may be added, never renamed or removed (schemaVersion 1).

const measured = z.number().nullable();

const qualitySchema = z
  .strictObject({
    psnr: measured.describe('Whole photo, dB, peak 255; null when identical (infinite)'),
    ssim: z.number().describe('Whole photo, Wang et al. 2004'),
    regionPsnr: measured.describe('Pixels under the mask, dB'),
    regionSsim: z.number().describe('Mean of the SSIM map over the pixels under the mask'),
    psnrEq8: measured.describe("The paper's equation 8: width x height where PSNR has 255 squared, dB"),
  })
  .describe('Against the reference, before encoding');

const faceSchema = z.strictObject({
  box: z
    .strictObject({ x: z.number(), y: z.number(), width: z.number(), height: z.number() })
    .describe('Pixels of the upright photo'),
  score: z.number().min(0).max(1).describe('How sure the detector is that this is a face'),
  masked: z.boolean(),
  maskProbability: z.number().min(0).max(1),
  unsure: z.boolean().optional().describe('true where the detector abstains and `masked` is a guess; else absent'),
  rollDegrees: z.number().describe('Clockwise, 0 is upright'),
  maskCoverage: measured.describe('Area of the restored region / area of the face box'),
  noiseSigma: measured.describe('Estimated noise of the aligned 256x256 crop, of 255'),
  denoised: z.boolean(),
  quality: qualitySchema.nullable().describe('null without a usable reference'),
  seam: measured.describe("Gradient across the region's border / gradient beside it; about 1 is invisible"),
});

const modelSchema = z.strictObject({ name: z.string(), version: z.string(), sha256: z.string() });

export const metricsRecordSchema = z.strictObject({
  schemaVersion: z.literal(1),
  jobId: z.string(),
  status: z.enum(statuses),
  reason: z.strictObject({ code: z.enum(reasonCodes), message: z.string() }).optional(),
  photo: z.strictObject({
    key: z.string(),
    versionId: z.string().optional(),
    etag: z.string(),
    bytes: z.int().nonnegative(),
    width: z.int().nullable().describe('Upright pixels; null when the header could not be read'),
    height: z.int().nullable(),
    format: z.string().nullable(),
  }),
  unmasked: z.strictObject({ key: z.string(), bytes: z.int(), sha256: z.string() }).optional(),
  faces: z.array(faceSchema),
  model: modelSchema.describe('The unmasker'),
  timings: z.record(z.string().regex(/Ms$/), z.number()),
  cost: z.strictObject({ usd: z.number() }).nullable(),
  createdAt: z.iso.datetime(),
});

export type MetricsRecord = Readonly<z.infer<typeof metricsRecordSchema>>;
export type FaceRecord = MetricsRecord['faces'][number];

/** A face that the unmasker changed: its seam was measured. */
export const isUnmaskedFace = ({ seam }: FaceRecord): boolean => seam !== null;

export type Quality = z.infer<typeof qualitySchema>;
export type { ReasonCode, Status };

/** The published JSON Schema of a metrics file (draft 2020-12). */
export function metricsRecordJsonSchema(): object {
  return z.toJSONSchema(metricsRecordSchema);
}

/** @throws Error when the bytes are no metrics record of this version. */
export function parseMetricsRecord(bytes: Uint8Array): MetricsRecord {
  try {
    return metricsRecordSchema.parse(JSON.parse(new TextDecoder().decode(bytes)));
  } catch (cause) {
    throw new Error('Expected a metrics record of schemaVersion 1.', { cause });
  }
}
