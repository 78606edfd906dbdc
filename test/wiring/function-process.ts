import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { FunctionPlan } from './cloud-plan.ts';

/** A function that can be called, wherever it runs. */
export type RunningFunction = {
  /** @throws Error with the function's message when it throws. */
  invoke(event: unknown): Promise<unknown>;
  close(): Promise<void>;
};

export type FunctionProcessProps = {
  readonly plan: FunctionPlan;
  /** What AWS sets, and the image. */
  readonly environment: Readonly<Record<string, string>>;
  /** Folder of the bundled handlers. */
  readonly folder: string;
  /** Execution environments at most; each handles one event at a time, as Lambda's do. */
  readonly most: number;
  readonly onLine: (line: string) => void;
};

/** The bundled handler in processes of its own, with the environment of the template and nothing of ours. */
export function startFunctionProcesses({
  plan,
  environment,
  folder,
  most,
  onLine,
}: FunctionProcessProps): RunningFunction {
  const idle: ChildProcess[] = [];
  const waiting: ((child: ChildProcess) => void)[] = [];
  const children: ChildProcess[] = [];

  function start(): ChildProcess {
    const child = fork(new URL('./function-host.mjs', import.meta.url), [folder, plan.command], {
      env: { ...environment, ...plan.environment },
      execArgv: [],
      silent: true,
    });
    child.stdout?.setEncoding('utf8').on('data', onLine);
    child.stderr?.setEncoding('utf8').on('data', onLine);
    children.push(child);
    return child;
  }
  async function take(): Promise<ChildProcess> {
    const child = idle.pop();
    if (child) return child;
    if (children.length < most) return start();
    return new Promise((resolve) => waiting.push(resolve));
  }

  return {
    async invoke(event) {
      const child = await take();
      const answer = await ask(child, {
        event,
        functionName: plan.name,
        timeoutMs: plan.timeoutSeconds * 1000,
        traceHeader: newTraceHeader(),
      });
      const next = waiting.shift();
      if (next) next(child);
      else idle.push(child);
      if ('error' in answer) throw new Error(answer.error);
      return answer.result;
    },
    async close() {
      await Promise.all(
        children.map(async (child) => {
          if (child.exitCode !== null) return;
          const ended = once(child, 'exit');
          child.kill();
          await ended;
        }),
      );
    },
  };
}

/** As Lambda gives every invocation one. https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader */
function newTraceHeader(): string {
  const [time, rest, parent] = [4, 12, 8].map((length) => randomBytes(length).toString('hex'));
  return `Root=1-${time}-${rest};Parent=${parent};Sampled=1`;
}

type Answer = { readonly result: unknown } | { readonly error: string };

/** Sends one message and waits for the one that answers it. */
function ask(child: ChildProcess, message: object): Promise<Answer> {
  return new Promise((resolve) => {
    const onMessage = (answer: Answer) => {
      child.off('exit', onExit);
      resolve(answer);
    };
    const onExit = (code: number | null) => {
      child.off('message', onMessage);
      resolve({ error: `The process ended with ${code}.` });
    };
    child.once('message', onMessage);
    child.once('exit', onExit);
    child.send(message);
  });
}
