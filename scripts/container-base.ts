import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Where the runtime interface client is in AWS's base image, and so in ours. */
export const runtime = '/var/runtime/node_modules';

const clientVersion = '4.0.2';

/**
 * Fills a folder with just enough of this machine to build the image on and run it: shell, find, rm, env, Node and npm, what they and
 * the native packages link to, certificates, and AWS's runtime interface client. Some seconds; any Linux with glibc.
 */
export function fillBase(rootfs: string, project: string): void {
  const programs = ['/bin/sh', '/usr/bin/env', '/usr/bin/find', '/bin/rm'];
  const node = join(project, 'node_modules/node/bin/node');
  const native = nativeFiles(join(project, 'node_modules/@img'), join(project, 'node_modules/onnxruntime-node/bin'));
  const libraries = [...programs, node, ...native].flatMap(linkedBy);
  for (const path of new Set([...programs, ...libraries.filter((path) => !path.startsWith(project))]))
    copy(path, join(rootfs, path));
  copy(node, join(rootfs, 'usr/local/bin/node'));
  for (const path of ['/etc/ssl/certs/ca-certificates.crt', '/etc/nsswitch.conf'])
    if (existsSync(path)) copy(path, join(rootfs, path));
  // npm/bin/npm-cli.js, wherever it is installed.
  const npm = dirname(dirname(realpathSync(execFileSync('which', ['npm'], { encoding: 'utf8' }).trim())));
  cpSync(npm, join(rootfs, 'usr/local/lib/node_modules/npm'), { recursive: true, dereference: true });
  write(
    join(rootfs, 'usr/local/bin/npm'),
    '#!/bin/sh\nexec node /usr/local/lib/node_modules/npm/bin/npm-cli.js "$@"\n',
  );
  write(join(rootfs, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n');
  for (const folder of ['root', 'tmp', 'proc', 'dev', 'sys', 'var/task'])
    mkdirSync(join(rootfs, folder), { recursive: true });
  chmodSync(join(rootfs, 'tmp'), 0o1777);
  installClient(join(rootfs, runtime));
}

/** Of this machine's system and architecture: the others have no place in the loader. */
function nativeFiles(...folders: readonly string[]): readonly string[] {
  const found = execFileSync('find', [...folders, '-name', '*.so*', '-o', '-name', '*.node'], { encoding: 'utf8' });
  return found.split('\n').filter((path) => path.includes('linux') && path.includes(process.arch));
}

/** Files that the loader maps for a program or library: `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x...)`. */
function linkedBy(file: string): readonly string[] {
  const lines = execFileSync('ldd', [file], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split('\n');
  return lines.flatMap((line) => /(?:=> )?(\/\S+) \(0x/.exec(line)?.[1] ?? []);
}

/**
 * AWS's client as published, without its install script, which compiles the transport from C++ for minutes: `rapid-client.node` is that
 * transport in JavaScript. UNMASK_RIC names a node_modules that has the compiled one.
 */
function installClient(to: string): void {
  const made = process.env.UNMASK_RIC;
  if (made) {
    cpSync(made, to, { recursive: true, dereference: true });
    return;
  }
  mkdirSync(to, { recursive: true });
  const [archive = ''] = JSON.parse(
    execFileSync('npm', ['pack', `aws-lambda-ric@${clientVersion}`, '--json', '--pack-destination', to], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  ).map(({ filename }: { readonly filename: string }) => join(to, filename));
  const client = join(to, 'aws-lambda-ric');
  mkdirSync(client);
  execFileSync('tar', ['xzf', archive, '-C', client, '--strip-components=1']);
  // A folder of this name is as good to require() as a compiled file.
  write(join(client, 'rapid-client.node/package.json'), '{"type":"commonjs","main":"index.js"}');
  write(join(client, 'rapid-client.node/index.js'), transport);
}

/** https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html */
const transport = `'use strict';
const http = require('node:http');
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
let sent = Promise.resolve();
const call = (method, path, body, headers) => new Promise((resolve, reject) => {
  const request = http.request({ host, port, method, agent, headers, path: '/2018-06-01/runtime/invocation/' + path });
  request.on('error', reject).on('response', (response) => {
    const parts = [];
    response.on('data', (part) => parts.push(part)).on('error', reject);
    response.on('end', () => resolve({ bodyJson: Buffer.concat(parts).toString(), headers: response.headers }));
  });
  request.end(body);
});
const post = (path, body, headers) => { sent = sent.then(() => call('POST', path, body, headers)); };
module.exports = {
  initializeClient() {},
  next: async () => { await sent; return call('GET', 'next'); },
  done: (id, body) => post(id + '/response', body),
  error: (id, body, cause) => post(id + '/error', body, { 'Lambda-Runtime-Function-XRay-Error-Cause': cause }),
};
`;

function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text, { mode: 0o755 });
}
