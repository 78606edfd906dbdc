import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import type { InferenceSession } from 'onnxruntime-node';
import type { ModelDescription } from './model-description.ts';
import { ModelError, restore } from './model-error.ts';

/** What is needed to compute a network; may cross to another thread. */
export type Network = {
  /** Of models.json, which the network's file lies beside. */
  readonly folder: string;
  readonly description: ModelDescription;
  /** Inside one operator. */
  readonly threads: number;
};

/** Every output by name, for an input of the network's shape. */
export type Outputs = Readonly<Record<string, Float32Array>>;

/** Where networks are computed. Both throw a ModelError for a file that is not as models.json says, or what comes out of it. */
export type Computer = {
  open(network: Network): Promise<void>;
  /** Opens the session when it is the network's first run. */
  run(network: Network, input: Float32Array): Promise<Outputs>;
};

/** On the thread that asks, which does nothing else meanwhile. */
export const thisThread: Computer = {
  async open(network) {
    await openSession(network);
  },
  run: runNetwork,
};

async function runNetwork(network: Network, input: Float32Array): Promise<Outputs> {
  const { session, Tensor } = await openSession(network);
  const {
    name,
    inputs: [{ name: inputName, shape }],
    outputs,
  } = network.description;
  const results = await session.run({ [inputName]: new Tensor('float32', input, shape) });
  return Object.fromEntries(outputs.map((output) => [output.name, floats(name, output, results[output.name]?.data)]));
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

function openSession(network: Network): Promise<OpenSession> {
  const { folder, description, threads } = network;
  const key = `${resolve(folder, description.file)} ${description.sha256} ${threads}`;
  const known = sessions.get(key);
  if (known) {
    return known;
  }
  const opening = createSession(network);
  sessions.set(key, opening);
  // A repaired file must be found by the next try.
  opening.catch(() => sessions.delete(key));
  return opening;
}

async function createSession({ folder, description, threads }: Network): Promise<OpenSession> {
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
    // One block planned for all activations is larger than what small ones use again and again: more memory, and slower: 7 % (rescnn) to 20 % (mask-detector).
    enableMemPattern: false,
    // Idle threads would burn a core that decoding needs.
    extra: { 'session.intra_op.allow_spinning': '0' },
  });
  return { session, Tensor };
}

/** The network's file. @throws ModelError when it is missing or another one. */
export async function readVerified(folder: string, { name, file, sha256 }: ModelDescription): Promise<Uint8Array> {
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

async function importOnnxRuntime(): Promise<typeof import('onnxruntime-node')> {
  keepOnnxRuntimeSilent();
  return await import('onnxruntime-node');
}

const silence = 'ORT_DISABLE_TELEMETRY';

/**
 * ONNX Runtime reports its use over the network unless this is in the process's environment when its library is loaded
 * (onnxruntime/core/platform/posix/telemetry.cc). Photos are private: no promise, no session. A worker thread cannot promise it, since
 * its environment is a copy that the library does not see: the main thread calls this before it starts one.
 * @throws ModelError when it is too late.
 */
export function keepOnnxRuntimeSilent(): void {
  if (!isMainThread) {
    if (environmentOfTheProcess()[silence] !== '1') {
      throw new ModelError(
        'telemetry',
        `In a worker thread ONNX Runtime cannot be kept from reporting its use: the main thread must set ${silence}=1 before it starts the worker.`,
      );
    }
    return;
  }
  if (process.env[silence] === '1') return;
  const loaded = Object.keys(createRequire(import.meta.url).cache).some((path) => path.includes('onnxruntime_binding'));
  if (loaded) {
    throw new ModelError(
      'telemetry',
      `ONNX Runtime was loaded before its telemetry was off. Set ${silence}=1 in the environment and start again.`,
    );
  }
  process.env[silence] = '1';
}

/** What the process's libraries see, in a worker thread too. 2 to 7 ms. */
function environmentOfTheProcess(): Readonly<Record<string, string | undefined>> {
  Object.assign(process.report, { excludeNetwork: true }); // it would ask for the names of network peers
  const report: { readonly environmentVariables?: Record<string, string> } = Object(process.report.getReport());
  return report.environmentVariables ?? {};
}
