/**
 * Measures `unmask query` over a made-up manifest of a million records, each question in a process of its own, as a person asks:
 *
 *   node scripts/query/bench.ts                     some minutes; 300 MB in the folder for temporary files
 *   node scripts/query/bench.ts --records 100000
 *
 * Wall time is that of process start to end; CPU time, of all threads, is what another load on the machine changes less.
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { fromProject } from '../commands/paths.ts';
import { writeMadeUpManifest } from './made-up-manifest.ts';

const { values } = parseArgs({ options: { records: { type: 'string', default: '1000000' } } });

const questions: readonly (readonly [what: string, ...args: readonly string[]])[] = [
  ['first question: all records are read', 'SELECT count(*) FROM photos'],
  ['photos by status'],
  ['--worst 10', '--worst', '10'],
  ['--status failed --since 2026-11-10', '--status', 'failed', '--since', '2026-11-10'],
  [
    'faces by day, with quantiles',
    "SELECT date_trunc('day', created_at) AS day, count(*), quantile_cont(seam, .9) FROM faces GROUP BY 1 ORDER BY 1",
  ],
  ['one photo by its path', "SELECT * FROM photos WHERE path LIKE '%IMG_0123456%'"],
];

const folder = await mkdtemp(join(tmpdir(), 'unmask-query-bench-'));
try {
  await writeMadeUpManifest(join(folder, 'out'), { records: Number(values.records) });
  const table = new Table({
    head: [`${Number(values.records).toLocaleString('en')} records`, 'wall s', 'CPU s'],
    colAligns: ['left', 'right', 'right'],
    style: { head: [], border: [] },
  });
  for (const [what, ...args] of questions) {
    const { wall, cpu } = measured(args);
    table.push([what, wall.toFixed(2), cpu.toFixed(2)]);
  }
  console.log(table.toString());
} finally {
  await rm(folder, { recursive: true });
}

/** Seconds, by bash's `time`: Node does not tell what a child used. */
function measured(args: readonly string[]): { readonly wall: number; readonly cpu: number } {
  const command = [process.execPath, fromProject('scripts/unmask.ts'), 'query', ...args];
  const { status, stderr } = spawnSync(
    'bash',
    ['-c', 'TIMEFORMAT="%R %U %S"; time "$@" > /dev/null', 'bash', ...command, '--results', join(folder, 'out')],
    { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C', XDG_CACHE_HOME: join(folder, 'cache') } },
  );
  if (status !== 0) throw new Error(`The question failed: ${stderr}`);
  const [wall = 0, user = 0, system = 0] = stderr.trim().split('\n').at(-1)?.split(' ').map(Number) ?? [];
  return { wall, cpu: user + system };
}
