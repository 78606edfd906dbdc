import { availableParallelism } from 'node:os';
import type { ModelIdentity } from '#pipeline/ports.ts';
import { type ModelDescription, readDescriptions } from './model-description.ts';
import { ModelError } from './model-error.ts';
import { type Computer, type Outputs, readVerified, thisThread } from './session.ts';

export type ModelOptions = {
  /** Threads inside one operator. Default: the cores this process may use, at most 4: our networks gain little beyond. */
  readonly threads?: number;
  /** Where networks are computed. Default: on the thread that asks. */
  readonly computer?: Computer;
};

/** A network of models.json, of fixed shapes. */
export type Model = {
  readonly identity: ModelIdentity;
  readonly description: ModelDescription;
  /** Every output by name, for an input of the shape in `description.inputs`. Opens the session when it is the first run. */
  run(input: Float32Array): Promise<Outputs>;
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

/** Reads models.json in the folder; the networks beside it are opened one by one when asked for. */
export async function loadModels(folder: string, options: ModelOptions = {}): Promise<Models> {
  const { threads = Math.min(availableParallelism(), 4), computer = thisThread, ...unknown } = options;
  const [unknownOption] = Object.keys(unknown);
  if (unknownOption !== undefined) {
    throw new TypeError(`Expected options threads or computer but received ${unknownOption}.`);
  }
  const descriptions = await readDescriptions(folder);
  const names = descriptions.map(({ name }) => name);

  const networkOf = (name: string) => {
    const description = descriptions.find((model) => model.name === name);
    if (!description) {
      throw new ModelError('model-unknown', `There is no model ${name}; models.json has ${names.join(', ')}.`);
    }
    return { folder, description, threads };
  };
  const lazily = (name: string): Model => {
    const network = networkOf(name);
    const { version, sha256 } = network.description;
    return {
      identity: { name, version, sha256 },
      description: network.description,
      run: (input) => computer.run(network, input),
    };
  };

  return {
    descriptions,
    names,
    lazily,
    async verify(wanted) {
      await Promise.all(wanted.map((name) => readVerified(folder, networkOf(name).description)));
    },
    async open(name) {
      await computer.open(networkOf(name));
      return lazily(name);
    },
  };
}
