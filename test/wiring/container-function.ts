import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { FunctionPlan } from './cloud-plan.ts';
import type { RunningFunction } from './function-process.ts';
import { openRuntimeApi } from './runtime-api.ts';

export type Measured = {
  readonly command: string;
  /** Process start to the first request for an event: Lambda's init. */
  readonly readyMs: number;
  /** The first event, from hand-over to answer. */
  readonly firstMs: number;
  /** Processor time up to the same moment: what init takes on a core of one's own. */
  readonly readyCpuMs: number;
  /** Highest resident memory so far. */
  readonly peakMb: number;
};

export type ContainerFunctionProps = {
  readonly plan: FunctionPlan;
  readonly environment: Readonly<Record<string, string>>;
  /** Root of the image, mounted. */
  readonly root: string;
  /** The image's own environment and entry point. */
  readonly image: {
    readonly environment: readonly string[];
    readonly entrypoint: readonly string[];
    readonly folder: string;
  };
  readonly onLine: (line: string) => void;
};

export type ContainerFunction = RunningFunction & {
  readonly command: string;
  measured(): Promise<Measured | undefined>;
  /** Processor time used so far. Unlike a stopwatch it does not see who else uses the machine. */
  cpuMs(): Promise<number>;
};

/** The image's root with the real runtime interface client in it: one process on one core, as `nobody`, started at its first event. */
export function startContainerFunction(props: ContainerFunctionProps): ContainerFunction {
  const { plan, environment, root, image, onLine } = props;
  let started: ReturnType<typeof start> | undefined;
  let queue: Promise<unknown> = Promise.resolve();
  let firstMs: number | undefined;

  async function start() {
    const api = await openRuntimeApi();
    const at = performance.now();
    const own = Object.entries({
      ...environment,
      ...plan.environment,
      _HANDLER: plan.command,
      AWS_LAMBDA_RUNTIME_API: api.host,
    });
    const variables = [...image.environment, ...own.map(([name, value]) => `${name}=${value}`)];
    const command = `cd ${image.folder} && exec ${[...image.entrypoint, plan.command].join(' ')}`;
    const child = spawn(
      'taskset',
      [
        '-c',
        '0',
        'chroot',
        '--userspec=65534:65534',
        root,
        '/usr/bin/env',
        '-i',
        ...variables,
        '/bin/sh',
        '-c',
        command,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    child.stdout.setEncoding('utf8').on('data', onLine);
    child.stderr.setEncoding('utf8').on('data', onLine);
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`${plan.command} ended with ${code}.`);
    });
    ended.catch(() => {});
    await Promise.race([api.ready, ended]);
    return { api, child, ended, readyMs: performance.now() - at, readyCpuMs: await cpuMsOf(child.pid) };
  }

  return {
    command: plan.command,
    async cpuMs() {
      return started ? cpuMsOf((await started).child.pid) : 0;
    },
    invoke(event) {
      // One execution environment: one event at a time.
      const answered = queue.then(async () => {
        started ??= start();
        const { api, ended } = await started;
        const at = performance.now();
        try {
          const options = { functionArn: plan.arn, timeoutSeconds: plan.timeoutSeconds };
          return await Promise.race([api.invoke(event, options), ended]);
        } finally {
          firstMs ??= performance.now() - at;
        }
      });
      queue = answered.catch(() => {});
      return answered;
    },
    async measured() {
      if (!started || firstMs === undefined) return undefined;
      const { child, readyMs, readyCpuMs } = await started;
      const peak = /VmHWM:\s+(\d+) kB/.exec(await readFile(`/proc/${child.pid}/status`, 'utf8'))?.[1];
      return { command: plan.command, readyMs, readyCpuMs, firstMs, peakMb: Number(peak) / 1024 };
    },
    async close() {
      const { child, api } = (await started) ?? {};
      if (child && child.exitCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      await api?.close();
    },
  };
}

/** User and system time, fields 14 and 15 of /proc/PID/stat, in ticks of 10 ms. */
async function cpuMsOf(pid: number | undefined): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number);
  return ((user ?? 0) + (system ?? 0)) * 10;
}
