import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ModelError, restore } from './model-error.ts';

const shape = z.array(z.int().positive()).min(1);
const threeNumbers = z.tuple([z.number(), z.number(), z.number()]);

const descriptionSchema = z.object({
  name: z.string().min(1),
  task: z.enum(['unmask', 'localise', 'align', 'denoise']),
  version: z.string().min(1),
  /** Beside models.json: no path leads out of the folder. */
  file: z.string().regex(/^[\w.-]+\.onnx$/),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  bytes: z.int().positive(),
  opset: z.int(),
  inputs: z.tuple([
    z.object({
      name: z.string(),
      shape: z.tuple([z.literal(1), z.literal(3), z.int().positive(), z.int().positive()]),
      layout: z.literal('NCHW'),
      type: z.literal('float32'),
      channels: z.literal('RGB'),
      range: z.tuple([z.literal(0), z.literal(1)]),
      mean: threeNumbers,
      std: threeNumbers.refine((std) => std.every((value) => value > 0), 'must be positive'),
    }),
  ]),
  outputs: z.array(z.object({ name: z.string(), shape, meaning: z.string() })).min(1),
  parameters: z.record(z.string(), z.union([z.number(), z.array(z.number()), z.string(), z.boolean()])).default({}),
  scores: z.record(z.string(), z.unknown()).default({}),
  trainedOn: z.string().optional(),
  licence: z.string().optional(),
  card: z.string().optional(),
});

export type ModelDescription = z.infer<typeof descriptionSchema>;

const schemaVersion = 1;
const modelsSchema = z.object({ schemaVersion: z.literal(schemaVersion), models: z.array(descriptionSchema).min(1) });

/** The models in models.json of the folder, in their order. @throws ModelError when it cannot be read or is not as expected. */
export async function readDescriptions(folder: string): Promise<readonly ModelDescription[]> {
  const path = join(folder, 'models.json');
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new ModelError('models-missing', `${path} cannot be read. ${restore}`, { cause: error });
  });
  const json = parseJson(path, text);
  const version = z.object({ schemaVersion: z.unknown() }).safeParse(json).data?.schemaVersion;
  if (version !== schemaVersion) {
    throw new ModelError(
      'models-invalid',
      `${path} has schemaVersion ${JSON.stringify(version)} but this code reads ${schemaVersion}. Code and models must come from the same commit. ${restore}`,
    );
  }
  const parsed = modelsSchema.safeParse(json);
  if (!parsed.success) {
    throw new ModelError('models-invalid', `${path} is not as expected: ${z.prettifyError(parsed.error)}\n${restore}`);
  }
  return parsed.data.models;
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ModelError('models-invalid', `${path} is not JSON. ${restore}`, { cause: error });
  }
}
