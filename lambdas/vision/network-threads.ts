import { Tinypool } from 'tinypool';
import type { ModelDescription } from './model-description.ts';
import { ModelError } from './model-error.ts';
import type { NetworkAnswer, NetworkTask } from './network-thread.ts';
import { type Computer, keepOnnxRuntimeSilent, type Outputs } from './session.ts';

/** Networks that share a thread, so that both threads have about as much to do. Every session exists once. */
const threadOf = {
  localise: 'finding',
  align: 'finding',
  denoise: 'restoring',
  unmask: 'restoring',
} as const satisfies Record<ModelDescription['task'], string>;

/** Milliseconds, 25 days: a thread that has opened its sessions stays. */
const longestTimer = 2 ** 31 - 1;

/**
 * Networks computed beside the main thread: onnxruntime-node computes on the thread that calls it, which meanwhile can neither warp nor
 * paste nor pack another photo. One thread finds faces while the other restores those of the photo before. Tensors in shared memory cross
 * without a copy. Threads start when they are first asked and end with the process.
 */
export function createNetworkThreads(): Computer {
  // Here, since a thread cannot: its environment is a copy that the library does not see.
  keepOnnxRuntimeSilent();
  const createThread = () =>
    new Tinypool({
      filename: new URL('./network-thread.ts', import.meta.url).href,
      minThreads: 0,
      maxThreads: 1,
      idleTimeout: longestTimer,
    });
  const threads = { finding: createThread(), restoring: createThread() };

  async function ask(task: NetworkTask): Promise<Outputs> {
    const answer: NetworkAnswer = await threads[threadOf[task.network.description.task]].run(task);
    if ('outputs' in answer) return answer.outputs;
    throw new ModelError(answer.code, answer.message);
  }

  return {
    async open(network) {
      await ask({ network });
    },
    run: (network, input) => ask({ network, input }),
  };
}
