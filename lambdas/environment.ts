import { z } from 'zod';
import { denoiseModeSchema } from '#pipeline/processing.ts';

const name = z.string().min(1);

/** What decides how a photo is processed. */
const processing = { MODEL: name, DENOISE: denoiseModeSchema } as const;

/** Set by the image. */
const image = { MODELS_FOLDER: name } as const;
const limits = { MAX_MEGAPIXELS: z.coerce.number().positive() } as const;
const buckets = { PHOTOS_BUCKET: name, RESULTS_BUCKET: name } as const;

/** Set by AWS. https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html */
const lambda = { AWS_LAMBDA_FUNCTION_MEMORY_SIZE: z.coerce.number().positive() } as const;

export const checkEnvironment = z.object({
  ...buckets,
  ...processing,
  ...limits,
  ...image,
  ...lambda,
  JOBS_QUEUE_URL: z.url(),
});
export const unmaskEnvironment = z.object({
  ...buckets,
  ...processing,
  ...limits,
  ...image,
  ...lambda,
  TIME_GUARD_SECONDS: z.coerce.number().positive(),
});
export const deadLetterEnvironment = z.object({ ...buckets, ...processing, ...image });
export const catalogueEnvironment = z.object({ RESULTS_BUCKET: name });
/** The image's own test of itself needs no cloud. */
export const selfTestEnvironment = z.object({
  ...image,
  MODEL: name.default('rescnn'),
  DENOISE: denoiseModeSchema.default('region'),
});
export const reconcileEnvironment = z.object({ ...buckets, CHECK_FUNCTION: name });

/** What infra/ must set: every variable that neither AWS nor the image does, as text. */
type Variables<Schema extends z.ZodObject> = {
  readonly [Name in Exclude<keyof Schema['shape'], keyof typeof lambda | keyof typeof image>]: string;
};
export type CheckEnvironment = Variables<typeof checkEnvironment>;
export type UnmaskEnvironment = Variables<typeof unmaskEnvironment>;
export type DeadLetterEnvironment = Variables<typeof deadLetterEnvironment>;
export type CatalogueEnvironment = Variables<typeof catalogueEnvironment>;
export type ReconcileEnvironment = Variables<typeof reconcileEnvironment>;

/**
 * The only reader of process.env.
 * @throws Error that names every variable which is missing or wrong.
 */
export function readEnvironment<Schema extends z.ZodType>(
  schema: Schema,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): z.output<Schema> {
  const parsed = schema.safeParse(environment);
  if (!parsed.success)
    throw new Error(`Expected a complete environment but received:\n${z.prettifyError(parsed.error)}`);
  return parsed.data;
}
