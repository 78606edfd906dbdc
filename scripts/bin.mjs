#!/usr/bin/env node
// `unmask` on the PATH, after `npm link` in this folder: what `npm run unmask --` does, from any folder and on any Node >= 20.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import './setup.mjs';

const project = fileURLToPath(new URL('..', import.meta.url));
const node = join(project, 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node');
const child = spawn(node, [join(project, 'scripts', 'unmask.ts'), ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...process.env, INIT_CWD: process.cwd() },
  shell: process.platform === 'win32',
});
// The terminal sends Ctrl-C to both; the command decides when it is done. What only this process is sent goes on to it.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => child.kill('SIGTERM'));
child.on('exit', (code, signal) => {
  process.exitCode = code ?? (signal === 'SIGTERM' ? 143 : 130);
});
