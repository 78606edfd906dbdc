/**
 * Measures the local pipeline over a fixed set, the example photos again and again:
 *
 *   npm run bench                      about a minute; prints a table, and JSON as the last line
 *   npm run bench -- --photos 1000     memory over a long run
 *
 * Every part runs in a process of its own: one face on one core (where `taskset` exists), the set on all cores, as `run` does. The ratio's
 * denominator is decoding, localising, the networks and encoding of the same photos, one after the other, each network on all cores; half of
 * them before the run and half after it, for a machine changes its pace within seconds. What a run cannot do without besides is in its
 * numerator alone: hashing and reading files, aligning and pasting faces, writing photo and record with their flushes to the disk, the
 * manifest. Networks are open before any of it is timed. CPU time is told because wall time says little on a machine that others use.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { alignFace, cropSize } from '#image/geometry.ts';
import { warpRaster } from '#image/warp.ts';
import type { MetricsRecord } from '#pipeline/metrics-record.ts';
import { createLocalRun } from './commands/local-run.ts';
import { openTools, photosAtOnce, type Tools } from './commands/open-tools.ts';
import { fromProject } from './commands/paths.ts';

const self = fileURLToPath(import.meta.url);

const { values } = parseArgs({
  options: {
    photos: { type: 'string', default: '99' },
    part: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) console.log('npm run bench -- [--photos N]   measures the local pipeline over N example photos');
else if (values.part === 'set') console.log(JSON.stringify(await measureSet(Number(values.photos))));
else if (values.part === 'bare') console.log(JSON.stringify(await measureBare(Number(values.photos))));
else if (values.part === 'one-face') console.log(JSON.stringify(await measureOneFace()));
else await report(Number(values.photos));

async function report(photos: number): Promise<void> {
  const pinned = hasTaskset();
  const half = Math.ceil(photos / 2);
  const startUp = await measureStartUp(5);
  const oneFace = await inOwnProcess(pinned, '--part', 'one-face');
  const bareMsBefore = await inOwnProcess(false, '--part', 'bare', '--photos', String(half));
  const set = await inOwnProcess(false, '--part', 'set', '--photos', String(photos));
  const bareMsAfter = await inOwnProcess(false, '--part', 'bare', '--photos', String(half));
  const bareMs = ((bareMsBefore + bareMsAfter) / 2 / half) * photos;
  const figures = {
    machine: { cpu: cpus()[0]?.model ?? 'unknown', cores: availableParallelism(), node: process.version, pinned },
    ...{ startUp, oneFace, set, wallToBare: (set.seconds * 1000) / bareMs },
  };
  const table = new Table({ head: ['what', 'measured'], style: { head: [], border: [] } });
  for (const [what, measured] of rowsOf(figures)) table.push([what, measured]);
  console.log(table.toString());
  console.log(JSON.stringify(figures));
}

type Distribution = { readonly n: number; readonly p50: number; readonly p95: number };
type SetFigures = {
  readonly photos: number;
  readonly seconds: number;
  readonly photosPerSecond: number;
  readonly stages: Readonly<Record<string, Distribution>>;
  readonly peakRssMb: number;
  readonly rssAfterTenthMb: number;
  /** User and system time of the whole process, all threads, per photo. */
  readonly cpuMs: number;
};
type OneFaceFigures = {
  readonly totalMs: Distribution;
  /** User and system time of the whole process, all threads, per photo: stages, files, collections. */
  readonly cpuMs: number;
  readonly stages: Readonly<Record<string, Distribution>>;
};
type Figures = {
  readonly machine: { readonly cpu: string; readonly cores: number; readonly node: string; readonly pinned: boolean };
  readonly startUp: Distribution;
  readonly oneFace: OneFaceFigures;
  readonly set: SetFigures;
  readonly wallToBare: number;
};

function rowsOf({ machine, startUp, oneFace, set, wallToBare }: Figures): readonly (readonly [string, string])[] {
  return [
    ['machine', `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`],
    ['process start to first result', `${startUp.p50.toFixed(0)} ms (p95 ${startUp.p95.toFixed(0)})`],
    [
      `one face, 1 megapixel${machine.pinned ? ', one core' : ''}`,
      `${oneFace.totalMs.p50.toFixed(0)} ms (p95 ${oneFace.totalMs.p95.toFixed(0)})`,
    ],
    ['  CPU time, with files and record', `${oneFace.cpuMs.toFixed(0)} ms`],
    ...Object.entries(oneFace.stages).map(
      ([stage, { p50, p95 }]) => [`  ${stage}`, `${p50.toFixed(1)} (p95 ${p95.toFixed(1)})`] as const,
    ),
    [`${set.photos} photos`, `${set.seconds.toFixed(1)} s, ${set.photosPerSecond.toFixed(1)} photos/s`],
    ['  CPU time, with files and record', `${set.cpuMs.toFixed(0)} ms`],
    ...Object.entries(set.stages).map(
      ([stage, { p50, p95 }]) => [`  ${stage}`, `${p50.toFixed(1)} (p95 ${p95.toFixed(1)})`] as const,
    ),
    ['peak memory', `${set.peakRssMb.toFixed(0)} MB (${set.rssAfterTenthMb.toFixed(0)} after a tenth of the photos)`],
    ['wall time / bare decode + networks + encode', wallToBare.toFixed(2)],
    ['  not in bare', 'files, hashes, flushes, align, paste, manifest'],
  ];
}

/** From spawning Node to the first photo's record on standard output, networks opened on the way. */
async function measureStartUp(runs: number): Promise<Distribution> {
  const milliseconds: number[] = [];
  for (let run = 0; run < runs; run++) {
    const out = await mkdtemp(join(tmpdir(), 'unmask-bench-'));
    const start = performance.now();
    const child = spawn(
      process.execPath,
      [fromProject('scripts/unmask.ts'), 'run', fromProject('examples/photos/frontal.jpg'), '--out', out, '--json'],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    const ended = new Promise((resolve) => child.on('close', resolve));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    milliseconds.push(performance.now() - start);
    await ended;
    await rm(out, { recursive: true });
  }
  return distribution(milliseconds);
}

/** The whole pipeline, file to record, of one photo of one megapixel with one masked face. */
async function measureOneFace(): Promise<OneFaceFigures> {
  const file = await oneMegapixelPhoto();
  const [cold, photos] = [5, 25];
  let warmFrom = process.cpuUsage();
  const records = await runPhotos(
    Array.from({ length: photos }, () => file),
    await openTools({ model: 'rescnn', denoise: 'region' }),
    1,
    (done) => {
      if (done === cold) warmFrom = process.cpuUsage();
    },
  );
  const { user, system } = process.cpuUsage(warmFrom);
  const warm = records.slice(cold);
  return {
    totalMs: distribution(warm.map(({ timings }) => timings.totalMs ?? 0)),
    cpuMs: (user + system) / 1000 / warm.length,
    stages: stagesOf(warm),
  };
}

/** The frontal example, 512x512, enlarged to 1024x1024: its face is then about 330 pixels high. */
async function oneMegapixelPhoto(): Promise<string> {
  const { codec } = await openTools({ model: 'rescnn', denoise: 'region' });
  const small = await codec.decode(await readFile(fromProject('examples/photos/frontal.jpg')));
  if ('rejected' in small) throw new Error('Expected examples/photos/frontal.jpg to be a photo.');
  const raster = warpRaster(small.raster, { a: 2, b: 0, tx: 0.5, ty: 0.5 }, 1024, 1024);
  const file = join(await mkdtemp(join(tmpdir(), 'unmask-bench-')), 'one-face.jpg');
  await writeFile(file, await codec.encode(raster, { ...small, raster, width: 1024, height: 1024 }));
  return file;
}

async function measureSet(photos: number): Promise<SetFigures> {
  const concurrency = photosAtOnce();
  const tools = await openTools({ model: 'rescnn', denoise: 'region', atOnce: concurrency });
  await runPhotos(await examples(), tools, concurrency); // warm-up
  const files = await examples(photos);
  let rssAfterTenthMb = 0;
  const start = performance.now();
  const cpu = process.cpuUsage();
  const records = await runPhotos(files, tools, concurrency, (done) => {
    if (done === Math.ceil(photos / 10)) rssAfterTenthMb = process.memoryUsage.rss() / 1e6;
  });
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return {
    photos,
    seconds,
    photosPerSecond: photos / seconds,
    stages: stagesOf(records),
    peakRssMb: process.resourceUsage().maxRSS / 1e3,
    rssAfterTenthMb,
    cpuMs: (user + system) / 1000 / photos,
  };
}

/** The example photos, again and again until there are `count`; once each without it. */
async function examples(count?: number): Promise<readonly string[]> {
  const folder = fromProject('examples/photos');
  const names = (await readdir(folder)).sort();
  return Array.from({ length: count ?? names.length }, (_, index) => join(folder, names[index % names.length] ?? ''));
}

/** Milliseconds of decoding, localising, unmasking and encoding alone, one photo after the other on all cores, nothing around them. */
async function measureBare(photos: number): Promise<number> {
  const { codec, detector, denoiser, unmasker } = await openTools({ model: 'rescnn', denoise: 'region' });
  const warmUp = await examples();
  let milliseconds = 0;
  for (const [index, file] of [...warmUp, ...(await examples(photos))].entries()) {
    if (index === warmUp.length) milliseconds = 0;
    const bytes = await readFile(file);
    const start = performance.now();
    const decoded = await codec.decode(bytes);
    if ('rejected' in decoded) throw new Error(`Expected ${file} to be a photo.`);
    const faces = (await detector.localise(decoded.raster)).filter(({ masked }) => masked);
    let aside = 0;
    for (const face of faces) {
      const warping = performance.now();
      const crop = warpRaster(decoded.raster, alignFace(face), cropSize, cropSize);
      aside += performance.now() - warping;
      await unmasker.unmask(file.includes('noisy') ? await denoiser.denoise(crop) : crop);
    }
    if (faces.length > 0) await codec.encode(decoded.raster, decoded);
    milliseconds += performance.now() - start - aside;
  }
  return milliseconds;
}

/** Runs files as photos, each under a name of its own, with manifest but without report. */
async function runPhotos(
  files: readonly string[],
  tools: Tools,
  concurrency: number,
  onDone: (done: number) => void = () => {},
): Promise<readonly MetricsRecord[]> {
  const folder = await mkdtemp(join(tmpdir(), 'unmask-bench-'));
  const records: MetricsRecord[] = [];
  const inputs = files.map((file, index) => ({ key: `photos/${String(index).padStart(5, '0')}.jpg`, file }));
  const local = createLocalRun({
    out: join(folder, 'out'),
    ...{ tools, concurrency },
    interrupt: new AbortController().signal,
    onSettled: ({ record }) => onDone(records.push(record)),
  });
  await local.process(inputs);
  await rm(folder, { recursive: true });
  return records;
}

function stagesOf(records: readonly MetricsRecord[]): Readonly<Record<string, Distribution>> {
  const names = [...new Set(records.flatMap(({ timings }) => Object.keys(timings)))];
  return Object.fromEntries(
    names.map((name) => [name, distribution(records.flatMap(({ timings }) => timings[name] ?? []))]),
  );
}

function distribution(values: readonly number[]): Distribution {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
  return { n: sorted.length, p50: at(0.5), p95: at(0.95) };
}

function hasTaskset(): boolean {
  try {
    execFileSync('taskset', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

async function inOwnProcess(pinned: boolean, ...args: readonly string[]) {
  const [command, ...rest] = [...(pinned ? ['taskset', '-c', '0'] : []), process.execPath, self, ...args];
  const text = execFileSync(command ?? process.execPath, rest, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 1e8,
  });
  return JSON.parse(text);
}
