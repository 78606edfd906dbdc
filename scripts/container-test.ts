import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { uploadEvent } from '#aws/check-function.ts';
import { parseManifest } from '#pipeline/manifest.ts';
import { parseMetricsRecord } from '#pipeline/metrics-record.ts';
import { synthesise } from '../test/infra/synthesise.ts';
import {
  type ContainerFunction,
  type ContainerFunctionProps,
  type Measured,
  startContainerFunction,
} from '../test/wiring/container-function.ts';
import { rehearse } from '../test/wiring/rehearsal.ts';
import { bundleImage } from './bundle.ts';
import { fillBase, runtime } from './container-base.ts';

/*
 * The deployed code, run for real without an account: the image is built with buildah, and the functions run from its root under AWS's
 * runtime interface client against a stub of Lambda's runtime API, S3 and SQS. Writes dist/container.json, which the cost table is made
 * from. Ends with 75 and a line that says why where it cannot run.
 *
 *     sudo apt-get install -y --no-install-recommends buildah
 *     npm run test:container                                   on a base made of this machine's own shell, libraries and Node
 *     UNMASK_IMAGE=unmask npm run test:container               the image of the last run again
 *     UNMASK_BASE_IMAGE=public.ecr.aws/lambda/nodejs:24 npm run test:container      on AWS's, where a registry can be reached
 *     UNMASK_CONTAINER_REPORT=file                             how many checks passed, in the words of Vitest's JSON report
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

/** Home of the user who builds, inside the image. */
const imageHome = '/root';

/** Whatever else runs on this machine only adds to processor time: so of some rounds the least counts. */
const rounds = 5;
const photosInRound = 10;
/** As many as the cost table has in one move of the manifest's pointer. */
const warmPhotos = rounds * photosInRound;
const startsTried = 3;

/** For people and scripts that ask: nothing failed, it could not be tried. EX_TEMPFAIL of sysexits.h. */
const cannotRun = 75;

let passed = 0;
function check(sentence: string, holds: boolean, found: unknown): void {
  if (!holds) throw new Error(`Expected that ${sentence}, but found ${JSON.stringify(found)}.`);
  console.log(`✓ ${sentence}`);
  passed++;
}

requireTools();
mkdirSync(work, { recursive: true });
process.on('exit', (code) => {
  const file = process.env.UNMASK_CONTAINER_REPORT;
  if (file && code !== cannotRun)
    writeFileSync(file, JSON.stringify({ numPassedTests: passed, numFailedTests: code === 0 ? 0 : 1 }));
});
const image = process.env.UNMASK_IMAGE ?? (await buildImage());

const container = buildah('from', '--pull-never', image);
const root = buildah('mount', container);
const config = JSON.parse(buildah('inspect', '--type', 'image', image)).OCIv1.config;
const functions: ContainerFunction[] = [];
const propsOf = new Map<string, ContainerFunctionProps>();
const lines: string[] = [];
const cloud = await rehearse({
  // On one busy core a job may take long; it must not come again meanwhile.
  haste: 24,
  template: synthesise({ architecture: process.arch === 'arm64' ? 'arm64' : 'x86_64' })
    .template()
    .toJSON(),
  start: (plan, environment) => {
    const props = {
      plan,
      environment: { ...environment, AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x', LAMBDA_TASK_ROOT: '/var/task' },
      root,
      image: { environment: config.Env, entrypoint: config.Entrypoint, folder: config.WorkingDir },
      onLine: (line: string) => lines.push(line),
    };
    propsOf.set(plan.command, props);
    const one = startContainerFunction(props);
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
  check('every photo is counted in the manifest', isDeepStrictEqual(manifest.counts, expected), manifest.counts);
  check('the template grants every request that the functions made', cloud.refused.length === 0, cloud.refused);
  const record = parseMetricsRecord((await cloud.results.get('metrics/masked.jpg.json'))?.bytes ?? new Uint8Array());
  const unmasked = await cloud.results.get('unmasked/masked.jpg');
  check(
    'the unmasked photo is the one that its record names',
    unmasked !== undefined && createHash('sha256').update(unmasked.bytes).digest('hex') === record.unmasked?.sha256,
    record,
  );

  // Again while everything is warm: what a photo costs.
  const photo = await readFile(join(project, 'examples/photos/rotated.jpg'));
  const cpuOfRounds: Record<string, number>[] = [];
  for (let round = 0; round < rounds; round++) {
    const spent = await spending(async () => {
      for (let index = 0; index < photosInRound; index++)
        await cloud.upload(`photos/warm/${round * photosInRound + index}.jpg`, photo);
      await cloud.settled();
    });
    cpuOfRounds.push(spent);
  }
  const cpuMsPerPhoto = Object.fromEntries(
    Object.entries(least(cpuOfRounds)).map(([command, milliseconds]) => [command, milliseconds / photosInRound]),
  );
  const warm = [];
  for (let index = 0; index < warmPhotos; index++) {
    const record = await cloud.results.get(`metrics/warm/${index}.jpg.json`);
    warm.push(parseMetricsRecord(record?.bytes ?? fail(`There is no record of warm photo ${index}.`)).timings);
  }
  // One move of the manifest's pointer with all of them.
  const keys = Array.from({ length: warmPhotos }, (_, index) => `metrics/warm/${index}.jpg.json`);
  const cpuOfMoves: Record<string, number>[] = [];
  for (let round = 0; round < rounds; round++) {
    await cloud.results.delete('manifest/manifest.json');
    cpuOfMoves.push(await spending(() => cloud.call('catalogue.handler', recordsEvent(keys))));
  }
  cpuMsPerPhoto['catalogue.handler'] = (least(cpuOfMoves)['catalogue.handler'] ?? 0) / warmPhotos;
  const moved = parseManifest((await cloud.results.get('manifest/manifest.json'))?.bytes ?? new Uint8Array());
  check(`${warmPhotos} records reach the manifest in one move`, moved.counts.unmasked === warmPhotos, moved.counts);
  const measured = (await Promise.all(functions.map((one) => one.measured()))).filter((one) => one !== undefined);
  const starts = [measured.find(({ command }) => command === 'unmask.handler') ?? fail('unmask was not started.')];
  while (starts.length < startsTried) starts.push(await startAgain('unmask.handler'));
  const readyMs = Math.min(...starts.map((start) => start.readyMs));
  const readyCpuMs = Math.min(...starts.map((start) => start.readyCpuMs));
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
    `${JSON.stringify({ sizes, functions: measured, start: { readyMs, readyCpuMs }, cpuMsPerPhoto, stages: medians(warm) }, null, 2)}\n`,
  );
  check('node_modules has at most 75 MB', sizes.nodeModulesMb <= 75, sizes);
  check('a start takes less than two seconds of processor', readyCpuMs < 2000, measured);
  console.log(
    `unmask: ready after ${readyMs.toFixed(0)} ms (aim 1,000), ${readyCpuMs} of them processor time; its first photo took ${starts[0]?.firstMs.toFixed(0)} ms.`,
  );
  console.log(`${passed} passed, 0 failed: photos, metrics and manifest are right.`);
} catch (error) {
  console.error(cloud.errors.join('\n'), lines.slice(-40).join(''));
  throw error;
} finally {
  await cloud.close();
  buildah('umount', container);
  buildah('rm', container);
}

/** Processor time of each function for some work. */
async function spending(work: () => Promise<unknown>): Promise<Record<string, number>> {
  const before = await cpuMs();
  await work();
  const after = await cpuMs();
  return Object.fromEntries(Object.entries(after).map(([command, spent]) => [command, spent - (before[command] ?? 0)]));
}

function least(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const names = new Set(all.flatMap((one) => Object.keys(one)));
  return Object.fromEntries(
    [...names].map((name) => [name, Math.min(...all.map((one) => one[name] ?? Number.POSITIVE_INFINITY))]),
  );
}

/** A fresh execution environment, given an event without messages. */
async function startAgain(command: string): Promise<Measured> {
  const props = propsOf.get(command) ?? fail(`Expected a function for ${command}.`);
  const one = startContainerFunction(props);
  await one.invoke({ Records: [] });
  const measured = (await one.measured()) ?? fail(`${command} did not start.`);
  await one.close();
  return measured;
}

async function cpuMs(): Promise<Record<string, number>> {
  return Object.fromEntries(await Promise.all(functions.map(async (one) => [one.command, await one.cpuMs()] as const)));
}

async function buildImage(): Promise<string> {
  const base = process.env.UNMASK_BASE_IMAGE ?? makeBase();
  const folder = await bundleImage();
  console.log(`Building the image on ${base}...`);
  const start = performance.now();
  const args = ['--build-arg', `BASE_IMAGE=${base}`, '--build-arg', `CPU=${process.arch}`];
  buildah('bud', '--isolation', 'chroot', ...registry(), ...args, '-t', 'unmask', folder);
  const seconds = ((performance.now() - start) / 1000).toFixed(0);
  check('the image is built, and unmasks the golden photo as nobody in particular', true, undefined);
  console.log(`Built in ${seconds} s.`);
  return 'unmask';
}

function requireTools(): void {
  const reason =
    process.getuid?.() === 0
      ? ['buildah', 'taskset', 'ldd', 'tar'].flatMap((tool) => (isInstalled(tool) ? [] : [`needs ${tool}`]))[0]
      : 'needs root, to build the image and to enter it: run with sudo';
  if (reason === undefined) return;
  console.error(`Skipped: test:container ${reason}.`);
  process.exit(cannotRun);
}

function isInstalled(tool: string): boolean {
  try {
    execFileSync('which', [tool], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Made once, kept under dist/container. */
function makeBase(): string {
  const name = 'localhost/unmask-base';
  if (buildah('images', '--format', '{{.Name}}').split('\n').includes(name)) return name;
  const rootfs = join(work, 'rootfs');
  rmSync(rootfs, { recursive: true, force: true });
  fillBase(rootfs, project);
  const from = buildah('from', 'scratch');
  buildah('copy', '--quiet', from, rootfs, '/');
  const entrypoint = JSON.stringify(['node', `${runtime}/aws-lambda-ric/index.mjs`]);
  const environment = ['PATH=/usr/local/bin:/usr/bin:/bin', 'LAMBDA_TASK_ROOT=/var/task'];
  buildah('config', ...environment.flatMap((one) => ['--env', one]), '--entrypoint', entrypoint, from);
  try {
    buildah('run', '--isolation', 'chroot', from, '/bin/sh', '-c', 'node --version');
  } catch {
    console.error('Skipped: test:container cannot enter containers on this machine.');
    process.exit(cannotRun);
  }
  buildah('commit', '--quiet', '--rm', from, name);
  rmSync(rootfs, { recursive: true });
  return name;
}

/** S3's notifications of these records, as the records queue hands them over. */
function recordsEvent(keys: readonly string[]): object {
  return {
    Records: keys.map((key, index) => ({
      messageId: String(index),
      eventSource: 'aws:sqs',
      attributes: { ApproximateReceiveCount: '1' },
      body: JSON.stringify(uploadEvent({ bucket: 'results', key, etag: 'etag', bytes: 1 })),
    })),
  };
}

/** The build installs from the registry that npm on this machine installs from, and trusts whom it trusts. */
function registry(): readonly string[] {
  const npmrc = join(work, 'npmrc');
  const authorities = process.env.NODE_EXTRA_CA_CERTS ?? process.env.SSL_CERT_FILE;
  const address = execFileSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).trim();
  writeFileSync(npmrc, `registry=${address}\n${authorities ? `cafile=${imageHome}/authorities.pem\n` : ''}`);
  return [
    '--volume',
    `${npmrc}:${imageHome}/.npmrc:ro`,
    ...(authorities ? ['--volume', `${authorities}:${imageHome}/authorities.pem:ro`] : []),
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
