import { ModelError } from './model-error.ts';
import { type Network, type Outputs, thisThread } from './session.ts';

/** Without an input, the network is only opened. */
export type NetworkTask = { readonly network: Network; readonly input?: Float32Array };

/** An error's class does not survive the way between threads: a ModelError is told as its parts, every other one is thrown. */
export type NetworkAnswer =
  | { readonly outputs: Outputs }
  | { readonly code: ModelError['code']; readonly message: string };

/** The work of a thread of network-threads.ts. It loads little, so that a thread starts soon. */
export default async function compute({ network, input }: NetworkTask): Promise<NetworkAnswer> {
  try {
    if (input) return { outputs: await thisThread.run(network, input) };
    await thisThread.open(network);
    return { outputs: {} };
  } catch (error) {
    if (error instanceof ModelError) return { code: error.code, message: error.message };
    throw error;
  }
}
