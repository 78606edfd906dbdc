import { execFileSync } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadModels } from '#vision/model.ts';
import { ModelError } from '#vision/model-error.ts';

const fixtures = join(import.meta.dirname, 'fixtures');

describe('models.json', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'models-'));
    await cp(fixtures, folder, { recursive: true });
  });
  afterEach(() => rm(folder, { recursive: true }));

  const edit = async (change: (text: string) => string) => {
    const path = join(folder, 'models.json');
    await writeFile(path, change(await readFile(path, 'utf8')));
  };

  it('names the models in order', async () => {
    expect((await loadModels(folder)).names).toEqual(['detector', 'unmasker', 'denoiser']);
  });

  it('opens a model whose identity is that of models.json', async () => {
    const models = await loadModels(folder);
    const { identity } = await models.open('denoiser');
    expect(identity).toEqual({ name: 'denoiser', version: '0.0.1', sha256: models.descriptions[2]?.sha256 });
  });

  it('runs a model on one tensor', async () => {
    const { run } = await (await loadModels(folder)).open('denoiser');
    const { denoised } = await run(new Float32Array(3 * 256 * 256).fill(0.5));
    expect(denoised?.subarray(0, 2)).toEqual(Float32Array.of(0.5, 0.5));
  });

  it('that is missing is an error that says what to do', async () => {
    await rm(join(folder, 'models.json'));
    await expect(loadModels(folder)).rejects.toThrow(/models\.json cannot be read\. Run `git checkout models\/`/);
    await expect(loadModels(folder)).rejects.toMatchObject({ code: 'models-missing' });
  });

  it('of an unknown schemaVersion is refused by name', async () => {
    await edit((text) => text.replace('"schemaVersion": 1', '"schemaVersion": 2'));
    await expect(loadModels(folder)).rejects.toMatchObject({
      code: 'models-invalid',
      message: expect.stringContaining('has schemaVersion 2 but this code reads 1'),
    });
  });

  it.each([
    ['that is not JSON', (text: string) => text.slice(0, 100), 'is not JSON'],
    ['without models', () => '{ "schemaVersion": 1, "models": [] }', 'models'],
    ['with another layout', (text: string) => text.replace('NCHW', 'NHWC'), 'layout'],
    ['whose file leads out of the folder', (text: string) => text.replace('detector.onnx', '../detector.onnx'), 'file'],
    ['that is null', () => 'null', 'schemaVersion undefined'],
  ])('%s is refused and says where', async (_, change, where) => {
    await edit(change);
    await expect(loadModels(folder)).rejects.toMatchObject({
      code: 'models-invalid',
      message: expect.stringContaining(where),
    });
  });

  it('does not know a model: the error lists those it knows', async () => {
    const models = await loadModels(folder);
    await expect(models.open('rescnn-99')).rejects.toThrow(
      'There is no model rescnn-99; models.json has detector, unmasker, denoiser.',
    );
    expect(() => models.lazily('rescnn-99')).toThrow(ModelError);
  });

  it('names a file that is not there: an error that says what to do', async () => {
    await rm(join(folder, 'unmasker.onnx'));
    const models = await loadModels(folder);
    await expect(models.open('unmasker')).rejects.toMatchObject({
      code: 'model-missing',
      message: expect.stringMatching(/unmasker\.onnx\. Run `git checkout models\/`/),
    });
  });

  it('names a file that was altered: refused, until it is restored', async () => {
    const path = join(folder, 'unmasker.onnx');
    const original = await readFile(path);
    await writeFile(path, Buffer.concat([original, Buffer.of(0)]));
    const models = await loadModels(folder);
    await expect(models.open('unmasker')).rejects.toMatchObject({
      code: 'model-altered',
      message: expect.stringContaining('Run `git checkout models/`'),
    });
    await writeFile(path, original);
    expect((await models.open('unmasker')).identity.name).toBe('unmasker');
  });

  it('whose outputs the network does not have is refused on the first run', async () => {
    await edit((text) => text.replaceAll('"denoised"', '"cleaned"'));
    const model = await (await loadModels(folder)).open('denoiser');
    await expect(model.run(new Float32Array(3 * 256 * 256))).rejects.toThrow('models.json and the network disagree');
  });

  it('is enough for a lazy model: the file is only read at the first run', async () => {
    await rm(join(folder, 'denoiser.onnx'));
    const model = (await loadModels(folder)).lazily('denoiser');
    expect(model.identity.version).toBe('0.0.1');
    await expect(model.run(new Float32Array(3 * 256 * 256))).rejects.toMatchObject({ code: 'model-missing' });
  });

  it('is loaded with no options but threads and computer', async () => {
    await expect(loadModels(folder, JSON.parse('{ "thread": 1 }'))).rejects.toThrow('received thread');
  });
});

describe('telemetry', () => {
  it('is off in the environment once a model is open', async () => {
    await (await loadModels(fixtures)).open('denoiser');
    expect(process.env.ORT_DISABLE_TELEMETRY).toBe('1');
  });

  it('cannot be ruled out in a worker thread whose environment only claims it, so no model opens there', () => {
    expect(codeInWorker({ ofTheProcess: undefined, ofTheWorker: '1' })).toBe('telemetry');
  });

  it('is off in a worker thread when the process had it off before', () => {
    expect(codeInWorker({ ofTheProcess: '1', ofTheWorker: undefined })).toBe('opened');
  });
});

/** What becomes of opening a model in a worker thread of a fresh process. */
function codeInWorker(silence: {
  readonly ofTheProcess: string | undefined;
  readonly ofTheWorker: string | undefined;
}): string {
  const inWorker = `
    const { loadModels } = await import(${JSON.stringify(import.meta.resolve('../../lambdas/vision/model.ts'))});
    const models = await loadModels(${JSON.stringify(fixtures)});
    console.log(await models.open('denoiser').then(() => 'opened', (error) => error.code));
  `;
  const env = JSON.stringify({ ORT_DISABLE_TELEMETRY: silence.ofTheWorker });
  const code = `
    const { Worker } = await import('node:worker_threads');
    new Worker(new URL('data:text/javascript,' + encodeURIComponent(${JSON.stringify(inWorker)})), { env: ${env} });
  `;
  const { ORT_DISABLE_TELEMETRY: _, ...others } = process.env;
  const environment = silence.ofTheProcess ? { ...others, ORT_DISABLE_TELEMETRY: silence.ofTheProcess } : others;
  const options = { env: environment, encoding: 'utf8' } as const;
  return execFileSync(process.execPath, ['--input-type=module', '--eval', code], options).trim();
}
