import { Tinypool } from 'tinypool';
import { ModelError } from './model-error.ts';
import { type Network, type Outputs, thisThread } from './session.ts';

/** Without an input, the network is only opened. */
export type NetworkTask = { readonly network: Network; readonly input?: Float32Array };

/** An error's class does not survive the way between threads: a ModelError is told as its parts, every other one is thrown. */
export type NetworkAnswer =
  | { readonly outputs: Outputs }
  | { readonly code: ModelError['code']; readonly message: string };

/** The work of a thread of network-threads.ts, where a NetworkAnswer arrives. It loads little, so that a thread starts soon. */
export default async function compute({ network, input }: NetworkTask): Promise<unknown> {
  try {
    if (input) return handOver({ outputs: await thisThread.run(network, input) });
    await thisThread.open(network);
    return { outputs: {} } satisfies NetworkAnswer;
  } catch (error) {
    if (error instanceof ModelError) return { code: error.code, message: error.message } satisfies NetworkAnswer;
    throw error;
  }
}

/** Outputs leave this thread's memory for the other's: copies would lie here until a thread with little else to do collects garbage. */
function handOver(answer: NetworkAnswer & { readonly outputs: Outputs }): unknown {
  const { transferableSymbol, valueSymbol } = Tinypool;
  const buffers = Object.values(answer.outputs).map(({ buffer }) => buffer);
  const movable: object = { [transferableSymbol]: buffers, [valueSymbol]: answer };
  return Tinypool.move(movable as Parameters<typeof Tinypool.move>[0]); // its own type names symbols that it does not export
}
