import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseManifest } from '#pipeline/manifest.ts';
import { parseMetricsRecord } from '#pipeline/metrics-record.ts';
import { synthesise } from '../test/infra/synthesise.ts';
import { type ContainerFunction, startContainerFunction } from '../test/wiring/container-function.ts';
import { rehearse } from '../test/wiring/rehearsal.ts';
import { bundleImage } from './bundle.ts';

/*
 * The deployed code, run for real without an account: the image is built with buildah, and the functions run from its root under the
 * real runtime interface client against a stub of Lambda's runtime API, S3 and SQS. Writes dist/container.json, which the cost table is
 * made from.
 *
 *     sudo apt-get install -y buildah debootstrap
 *     npm run test:container                                   on a base that this makes from Debian (once, some minutes)
 *     UNMASK_IMAGE=unmask npm run test:container               the image of the last run again
 *     UNMASK_BASE_IMAGE=public.ecr.aws/lambda/nodejs:24 npm run test:container      on AWS's, where a registry can be reached
 */

const project = fileURLToPath(new URL('..', import.meta.url));
const work = join(project, 'dist', 'container');
const storage = ['--storage-driver', 'vfs', '--root', join(work, 'storage'), '--runroot', join(work, 'run')];
const buildah = (...args: readonly string[]): string =>
  execFileSync('buildah', [...storage, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 2 ** 26,
  }).trim();
const megabytes = (...paths: readonly string[]): number =>
  paths.reduce(
    (sum, path) => sum + Number(execFileSync('du', ['-sk', path], { encoding: 'utf8' }).split('\t')[0]) / 1024,
    0,
  );

const warmPhotos = 20;

/** Where the runtime interface client is in AWS's base image, and so in ours. */
const runtime = '/var/runtime/node_modules';

requireTools();
mkdirSync(work, { recursive: true });
const image = process.env.UNMASK_IMAGE ?? (await buildImage());

const container = buildah('from', '--pull-never', image);
const root = buildah('mount', container);
const config = JSON.parse(buildah('inspect', '--type', 'image', image)).OCIv1.config;
const functions: ContainerFunction[] = [];
const lines: string[] = [];
const cloud = await rehearse({
  template: synthesise({ architecture: process.arch === 'arm64' ? 'arm64' : 'x86_64' })
    .template()
    .toJSON(),
  start: (plan, environment) => {
    const one = startContainerFunction({
      plan,
      environment: { ...environment, AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x', LAMBDA_TASK_ROOT: '/var/task' },
      root,
      image: { environment: config.Env, entrypoint: config.Entrypoint, folder: config.WorkingDir },
      onLine: (line) => lines.push(line),
    });
    functions.push(one);
    return one;
  },
});

try {
  const photos = {
    'masked.jpg': 'photos/frontal.jpg',
    'bare face.jpg': 'photos/bare.jpg',
    'niemand+ü.jpg': 'photos/no-face.jpg',
  };
  for (const [key, path] of Object.entries(photos)) {
    await cloud.upload(`photos/${key}`, await readFile(join(project, 'examples', path)));
  }
  await cloud.settled();
  const manifest = parseManifest(
    (await cloud.results.get('manifest/manifest.json'))?.bytes ?? fail('There is no manifest.'),
  );
  const expected = { unmasked: 1, bare: 1, 'no-face': 1, rejected: 0, failed: 0 };
  if (JSON.stringify(manifest.counts) !== JSON.stringify(expected))
    fail(`The manifest counts ${JSON.stringify(manifest.counts)}.`);
  if (cloud.refused.length > 0) fail(`Refused: ${cloud.refused.join(', ')}`);

  // Again while everything is warm: what a photo costs.
  const before = await cpuMs();
  for (let index = 0; index < warmPhotos; index++)
    await cloud.upload(`photos/warm/${index}.jpg`, await readFile(join(project, 'examples/photos/rotated.jpg')));
  await cloud.settled();
  const after = await cpuMs();
  const cpuMsPerPhoto = Object.fromEntries(
    Object.entries(after).map(([command, milliseconds]) => [
      command,
      (milliseconds - (before[command] ?? 0)) / warmPhotos,
    ]),
  );
  const warm = [];
  for (let index = 0; index < warmPhotos; index++) {
    const record = await cloud.results.get(`metrics/warm/${index}.jpg.json`);
    warm.push(parseMetricsRecord(record?.bytes ?? fail(`There is no record of warm photo ${index}.`)).timings);
  }
  const measured = (await Promise.all(functions.map((one) => one.measured()))).filter((one) => one !== undefined);
  const sizes = {
    nodeModulesMb: megabytes(join(root, config.WorkingDir, 'node_modules')),
    modelsMb: megabytes(join(root, config.WorkingDir, 'models')),
    taskMb: megabytes(join(root, config.WorkingDir)),
  };
  console.table(measured.map(({ command, ...numbers }) => ({ command, ...rounded(numbers) })));
  console.table(rounded(sizes));
  console.table(rounded(cpuMsPerPhoto));
  console.table(rounded(medians(warm)));
  writeFileSync(
    join(project, 'dist', 'container.json'),
    `${JSON.stringify({ sizes, functions: measured, cpuMsPerPhoto, stages: medians(warm) }, null, 2)}\n`,
  );
  if (sizes.nodeModulesMb > 75) fail(`node_modules has ${sizes.nodeModulesMb.toFixed(0)} MB; 75 are allowed.`);
  console.log('The image does what the laptop does: photos, metrics and manifest are right.');
} catch (error) {
  console.error(cloud.errors.join('\n'), lines.slice(-40).join(''));
  throw error;
} finally {
  await cloud.close();
  buildah('umount', container);
  buildah('rm', container);
}

async function cpuMs(): Promise<Record<string, number>> {
  return Object.fromEntries(await Promise.all(functions.map(async (one) => [one.command, await one.cpuMs()] as const)));
}

async function buildImage(): Promise<string> {
  const base = process.env.UNMASK_BASE_IMAGE ?? (await debianBase());
  const folder = await bundleImage();
  console.log(`Building the image on ${base}...`);
  const start = performance.now();
  const args = ['--build-arg', `BASE_IMAGE=${base}`, '--build-arg', `CPU=${process.arch}`];
  buildah('bud', '--isolation', 'chroot', '--layers', ...registry(), ...args, '-t', 'unmask', folder);
  const seconds = ((performance.now() - start) / 1000).toFixed(0);
  console.log(`Built in ${seconds} s; the golden photo was unmasked while building.`);
  return 'unmask';
}

function requireTools(): void {
  if (process.getuid?.() !== 0) fail('Expected root: building and entering the image need it. Run with sudo.');
  for (const tool of ['buildah', ...(process.env.UNMASK_BASE_IMAGE ? [] : ['debootstrap'])]) {
    try {
      execFileSync('which', [tool], { stdio: 'ignore' });
    } catch {
      fail(`Expected ${tool}: apt-get install -y ${tool}`);
    }
  }
}

/** Debian with Node, npm and the runtime interface client where AWS's base image has them. Made once, kept under dist/container. */
async function debianBase(): Promise<string> {
  const name = 'localhost/unmask-base';
  if (buildah('images', '--format', '{{.Name}}').split('\n').includes(name)) return name;
  const rootfs = join(work, 'rootfs');
  console.log('Making a base image from Debian...');
  if (!existsSync(join(rootfs, 'etc'))) {
    execFileSync('debootstrap', ['--variant=minbase', '--include=ca-certificates,libcurl4', 'bookworm', rootfs], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }
  await cp(join(project, 'node_modules/node/bin/node'), join(rootfs, 'usr/local/bin/node'));
  // npm/bin/npm-cli.js, wherever it is installed.
  const npm = dirname(dirname(realpathSync(execFileSync('which', ['npm'], { encoding: 'utf8' }).trim())));
  await cp(npm, join(rootfs, 'usr/local/lib/node_modules/npm'), { recursive: true, dereference: true });
  writeFileSync(
    join(rootfs, 'usr/local/bin/npm'),
    '#!/bin/sh\nexec node /usr/local/lib/node_modules/npm/bin/npm-cli.js "$@"\n',
    { mode: 0o755 },
  );
  await installClient(join(rootfs, runtime));
  const from = buildah('from', 'scratch');
  buildah('copy', '--quiet', from, rootfs, '/');
  buildah(
    'config',
    '--env',
    'PATH=/usr/local/bin:/usr/bin:/bin',
    '--env',
    'LAMBDA_TASK_ROOT=/var/task',
    '--entrypoint',
    JSON.stringify(['node', `${runtime}/aws-lambda-ric/index.mjs`]),
    from,
  );
  buildah('commit', '--quiet', '--rm', from, name);
  await rm(rootfs, { recursive: true, force: true });
  return name;
}

/** Compiled from source: AWS publishes no binary. Two minutes; needs g++, cmake, autoconf, libtool. UNMASK_RIC names a node_modules that has it. */
async function installClient(to: string): Promise<void> {
  const made = process.env.UNMASK_RIC;
  if (made) return cp(made, to, { recursive: true, dereference: true });
  const folder = await mkdtemp(join(tmpdir(), 'unmask-ric-'));
  writeFileSync(join(folder, 'package.json'), '{"private":true,"allowScripts":{"aws-lambda-ric":true}}');
  execFileSync('npm', ['install', 'aws-lambda-ric@4.0.2'], { cwd: folder, stdio: 'inherit' });
  await cp(join(folder, 'node_modules'), to, { recursive: true, dereference: true });
  await rm(folder, { recursive: true });
}

/** The build installs from the registry that npm on this machine installs from, and trusts whom it trusts. */
function registry(): readonly string[] {
  const npmrc = join(work, 'npmrc');
  const authorities = process.env.NODE_EXTRA_CA_CERTS ?? process.env.SSL_CERT_FILE;
  const address = execFileSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).trim();
  writeFileSync(npmrc, `registry=${address}\n${authorities ? 'cafile=/root/authorities.pem\n' : ''}`);
  return [
    '--volume',
    `${npmrc}:/root/.npmrc:ro`,
    ...(authorities ? ['--volume', `${authorities}:/root/authorities.pem:ro`] : []),
  ];
}

function medians(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const names = new Set(all.flatMap((one) => Object.keys(one)));
  return Object.fromEntries(
    [...names].map((name) => {
      const values = all.flatMap((one) => one[name] ?? []).sort((a, b) => a - b);
      return [name, values[Math.floor(values.length / 2)] ?? 0];
    }),
  );
}

function rounded(numbers: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, Math.round(value * 10) / 10]));
}

function fail(message: string): never {
  throw new Error(message);
}
