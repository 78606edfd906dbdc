import { execFile } from 'node:child_process';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { project, runCli, temporaryFolder } from './cli.ts';

const words = async (...line: string[]): Promise<readonly string[]> =>
  (await runCli(['complete', '--', ...line])).stdout.split('\n').map((text) => text.split('\t')[0] ?? '');

test('commands, options and the values of options are completed', async () => {
  expect(await words('mo')).toContain('models');
  expect(await words('run', '--mo')).toContain('--model');
  expect(await words('run', '--denoise', '')).toEqual(expect.arrayContaining(['region', 'photo', 'off']));
}, 60_000);

test('the script for bash is one that bash can read, and an unknown shell is refused', async () => {
  const { code, stdout } = await runCli(['completion', 'bash']);
  expect(code).toBe(0);
  await promisify(execFile)('bash', ['-n', '-c', stdout]);
  expect(await runCli(['completion', 'tcsh'])).toMatchObject({ code: 2 });
}, 60_000);

test('`unmask` on the PATH is the CLI, standing where the person stands, on any Node', async () => {
  const folder = await temporaryFolder();
  const command = join(folder, 'unmask');
  await symlink(join(project, 'scripts', 'bin.mjs'), command);
  const told = await promisify(execFile)(command, ['--version']);
  expect(told.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  const refused = await promisify(execFile)(command, ['run', 'nowhere.jpg'], { cwd: folder }).catch((error) => error);
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining(join(folder, 'nowhere.jpg')) });
}, 60_000);
