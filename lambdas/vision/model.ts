import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import type { InferenceSession } from 'onnxruntime-node';
import { z } from 'zod';
import type { ModelIdentity } from '#pipeline/ports.ts';

export type ModelOptions = {
  /** Threads inside one operator. Default: the cores this process may use, at most 4: our networks gain little beyond. */
  readonly threads?: number;
};

/** A network of models.json. Fixed shapes, so that ONNX Runtime plans its memory once. */
export type Model = {
  readonly identity: ModelIdentity;
  readonly description: ModelDescription;
  /** Every output by name, for an input of the shape in `description.inputs`. Opens the session when it is the first run. */
  run(input: Float32Array): Promise<Readonly<Record<string, Float32Array>>>;
};

export type Models = {
  /** In the order of models.json. */
  readonly descriptions: readonly ModelDescription[];
  readonly names: readonly string[];
  /** The model, verified, its session open. Tens of milliseconds the first time, then free. */
  open(name: string): Promise<Model>;
  /** The model by its description alone; file and session wait for the first `run`. */
  lazily(name: string): Model;
  /** Reads the files and compares them with models.json, so that a damaged one stops a run before its first photo. About 10 ms each. */
  verify(names: readonly string[]): Promise<void>;
};

/** Something is wrong with the models on disk; the message says what to do about it. */
export class ModelError extends Error {
  readonly code:
    | 'models-missing'
    | 'models-invalid'
    | 'model-unknown'
    | 'model-missing'
    | 'model-altered'
    | 'telemetry';

  constructor(code: ModelError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ModelError';
    this.code = code;
  }
}

/** Reads models.json in the folder; the networks beside it are opened one by one when asked for. */
export async function loadModels(folder: string, options: ModelOptions = {}): Promise<Models> {
  const { threads = Math.min(availableParallelism(), 4), ...unknown } = options;
  const [unknownOption] = Object.keys(unknown);
  if (unknownOption !== undefined) {
    throw new TypeError(`Expected option threads but received ${unknownOption}.`);
  }
  const { models: descriptions } = await readDescriptions(folder);
  const names = descriptions.map(({ name }) => name);

  const lazily = (name: string): Model => {
    const description = descriptions.find((model) => model.name === name);
    if (!description) {
      throw new ModelError('model-unknown', `There is no model ${name}; models.json has ${names.join(', ')}.`);
    }
    return createModel(folder, description, threads);
  };

  return {
    descriptions,
    names,
    lazily,
    async verify(wanted) {
      await Promise.all(wanted.map((name) => readVerified(folder, lazily(name).description)));
    },
    async open(name) {
      const model = lazily(name);
      await openSession(folder, model.description, threads);
      return model;
    },
  };
}

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

const restore = 'Run `git checkout models/` in the project, or clone it again.';

async function readDescriptions(folder: string): Promise<z.infer<typeof modelsSchema>> {
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
  return parsed.data;
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ModelError('models-invalid', `${path} is not JSON. ${restore}`, { cause: error });
  }
}

function createModel(folder: string, description: ModelDescription, threads: number): Model {
  const { name, version, sha256, inputs, outputs } = description;
  const [input] = inputs;
  return {
    identity: { name, version, sha256 },
    description,
    async run(data) {
      const { session, Tensor } = await openSession(folder, description, threads);
      const results = await session.run({ [input.name]: new Tensor('float32', data, input.shape) });
      return Object.fromEntries(
        outputs.map((output) => [output.name, floats(name, output, results[output.name]?.data)]),
      );
    },
  };
}

function floats(model: string, { name, shape }: ModelDescription['outputs'][number], data: unknown): Float32Array {
  const length = shape.reduce((product, side) => product * side, 1);
  if (!(data instanceof Float32Array) || data.length !== length) {
    const received = data instanceof Float32Array ? `${data.length} floats` : typeof data;
    throw new ModelError(
      'models-invalid',
      `Expected ${length} floats in output ${name} of ${model} but received ${received}: models.json and the network disagree. ${restore}`,
    );
  }
  return data;
}

type OpenSession = { readonly session: InferenceSession; readonly Tensor: typeof import('onnxruntime-node').Tensor };

/**
 * One session per process and network, however often models are loaded: creating and releasing sessions leaks memory, and the second
 * open is free. Keyed by content, so that a new network is a new session.
 */
const sessions = new Map<string, Promise<OpenSession>>();

function openSession(folder: string, description: ModelDescription, threads: number): Promise<OpenSession> {
  const key = `${resolve(folder, description.file)} ${description.sha256} ${threads}`;
  const known = sessions.get(key);
  if (known) {
    return known;
  }
  const opening = createSession(folder, description, threads);
  sessions.set(key, opening);
  // A repaired file must be found by the next try.
  opening.catch(() => sessions.delete(key));
  return opening;
}

async function createSession(folder: string, description: ModelDescription, threads: number): Promise<OpenSession> {
  const [bytes, { InferenceSession, Tensor }] = await Promise.all([
    readVerified(folder, description),
    importOnnxRuntime(),
  ]);
  const session = await InferenceSession.create(bytes, {
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'all',
    executionMode: 'sequential',
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    // Idle threads would burn a core that decoding needs.
    extra: { 'session.intra_op.allow_spinning': '0' },
  });
  return { session, Tensor };
}

async function readVerified(folder: string, { name, file, sha256 }: ModelDescription): Promise<Uint8Array> {
  const path = join(folder, file);
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new ModelError('model-missing', `The model ${name} cannot be read from ${path}. ${restore}`, {
      cause: error,
    });
  });
  const found = createHash('sha256').update(bytes).digest('hex');
  if (found !== sha256) {
    throw new ModelError(
      'model-altered',
      `${path} is not the model ${name} that models.json names: its sha256 is ${found} and not ${sha256}. ${restore}`,
    );
  }
  return bytes;
}

/**
 * ONNX Runtime reports its use over the network unless this is in the process's environment when its library is loaded
 * (onnxruntime/core/platform/posix/telemetry.cc). Photos are private: no promise, no session. Worker threads have a copy of the
 * environment that the library does not see.
 */
async function importOnnxRuntime(): Promise<typeof import('onnxruntime-node')> {
  if (!isMainThread) {
    throw new ModelError(
      'telemetry',
      'Models open on the main thread only: in a worker thread ONNX Runtime cannot be kept from reporting its use.',
    );
  }
  if (process.env.ORT_DISABLE_TELEMETRY !== '1') {
    const loaded = Object.keys(createRequire(import.meta.url).cache).some((path) =>
      path.includes('onnxruntime_binding'),
    );
    if (loaded) {
      throw new ModelError(
        'telemetry',
        'ONNX Runtime was loaded before its telemetry was off. Set ORT_DISABLE_TELEMETRY=1 in the environment and start again.',
      );
    }
    process.env.ORT_DISABLE_TELEMETRY = '1';
  }
  return await import('onnxruntime-node');
}
