import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const project = fileURLToPath(new URL('../..', import.meta.url));
export const examples = join(project, 'examples', 'photos');

export type CliResult = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

export const temporaryFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'unmask-cli-'));

/** Starts the CLI as a person's shell would; `cwd` is where the person stands. */
export function startCli(
  args: readonly string[],
  { cwd = project, env = {} }: { cwd?: string; env?: Record<string, string> } = {},
) {
  const child = spawn(process.execPath, [join(project, 'scripts', 'unmask.ts'), ...args], {
    cwd,
    env: { ...process.env, NO_COLOR: '1', INIT_CWD: cwd, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return { child, result: resultOf(child) };
}

export const runCli = (...asked: Parameters<typeof startCli>): Promise<CliResult> => startCli(...asked).result;

async function resultOf(child: ChildProcess): Promise<CliResult> {
  const texts = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]?.setEncoding('utf8').on('data', (text: string) => {
      texts[stream] += text;
    });
  }
  const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
  return { code, ...texts };
}

/** The first line of standard output or error that fits; rejects when the process ends before. */
export function lineFrom(
  child: ChildProcess,
  stream: 'stdout' | 'stderr',
  fits: (line: string) => boolean,
): Promise<string> {
  const readable = child[stream];
  if (!readable) throw new Error(`Expected the process to have ${stream}.`);
  return new Promise((resolve, reject) => {
    const lines = createInterface({ input: readable });
    lines.on('line', (line) => fits(line) && resolve(line));
    lines.on('close', () => reject(new Error(`The process ended before the line on ${stream} came.`)));
  });
}

export type PhotoEvent = {
  readonly event: 'photo';
  readonly skipped: boolean;
  readonly record: {
    readonly status: string;
    readonly reason?: { readonly code: string; readonly message: string };
    readonly photo: { readonly key: string };
  };
};

/** The `photo` lines of `--json`, by path. */
export function photoEvents(stdout: string): ReadonlyMap<string, PhotoEvent> {
  const events = stdout
    .trim()
    .split('\n')
    .map((line): PhotoEvent => JSON.parse(line))
    .filter(({ event }) => event === 'photo');
  return new Map(events.map((event) => [event.record.photo.key.replace(/^photos\//, ''), event]));
}
