import { execFileSync } from 'node:child_process';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { loadModels } from '#vision/model.ts';
import { ModelError } from '#vision/model-error.ts';
import { createNetworkThreads } from '#vision/network-threads.ts';

const fixtures = join(import.meta.dirname, 'fixtures');
const published = join(import.meta.dirname, '../../models');

/** In shared memory, as the tensors of a run are. */
function tensorFor(length: number): Float32Array {
  const tensor = new Float32Array(new SharedArrayBuffer(4 * length));
  for (let index = 0; index < length; index++) tensor[index] = ((index * 7) % 256) / 255;
  return tensor;
}

describe('networks in threads', () => {
  test('compute what the main thread computes', async () => {
    const computer = createNetworkThreads();
    const [here, there] = [await loadModels(published), await loadModels(published, { computer })];
    for (const name of ['eye-locator', 'denoiser']) {
      const model = here.lazily(name);
      const input = tensorFor(model.description.inputs[0].shape.reduce((product, side) => product * side, 1));
      expect(await there.lazily(name).run(input)).toEqual(await model.run(input));
    }
  });

  test('leave the main thread free', async () => {
    const models = await loadModels(published, { threads: 1, computer: createNetworkThreads() });
    const model = await models.open('denoiser');
    const input = tensorFor(3 * 256 * 256);
    await model.run(input);
    let turns = 0;
    const counting = setInterval(() => turns++, 1);
    for (let run = 0; run < 5; run++) await model.run(input); // some 40 ms each
    clearInterval(counting);
    expect(turns).toBeGreaterThan(20);
  });

  test('find and restore at the same time', async () => {
    const models = await loadModels(fixtures, { computer: createNetworkThreads() });
    const detector = await models.open('detector');
    const denoiser = await models.open('denoiser');
    // Made before anything is asked, so that the first runs are not over when the last is asked for.
    const [photo, crop] = [tensorFor(3 * 640 * 640), tensorFor(3 * 256 * 256)];
    const order: string[] = [];
    const long = async () => {
      await Promise.all(Array.from({ length: 200 }, () => detector.run(photo)));
      order.push('two hundred detector runs');
    };
    const short = async () => {
      await denoiser.run(crop);
      order.push('one denoiser run, asked later');
    };
    await Promise.all([long(), short()]);
    expect(order[0]).toBe('one denoiser run, asked later');
  });

  test('tell what is wrong with a file as the main thread does, and read a mended one', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'models-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    await cp(fixtures, folder, { recursive: true });
    await writeFile(join(folder, 'denoiser.onnx'), 'something else');
    const models = await loadModels(folder, { computer: createNetworkThreads() });
    const refusal = await models.open('denoiser').catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(ModelError);
    expect(refusal).toMatchObject({ code: 'model-altered', message: expect.stringContaining('git checkout models/') });
    await cp(join(fixtures, 'denoiser.onnx'), join(folder, 'denoiser.onnx'));
    expect((await models.open('denoiser')).identity.name).toBe('denoiser');
  });

  test('reject an input of the wrong length and go on', async () => {
    const models = await loadModels(fixtures, { computer: createNetworkThreads() });
    const model = await models.open('denoiser');
    await expect(model.run(new Float32Array(5))).rejects.toThrow();
    expect((await model.run(tensorFor(3 * 256 * 256))).denoised).toHaveLength(3 * 256 * 256);
  });

  test('do not keep the process, and run only once telemetry is off in its environment', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'threads-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const code = `
      const { createNetworkThreads } = await import(${JSON.stringify(import.meta.resolve('../../lambdas/vision/network-threads.ts'))});
      const { loadModels } = await import(${JSON.stringify(import.meta.resolve('../../lambdas/vision/model.ts'))});
      const models = await loadModels(${JSON.stringify(fixtures)}, { computer: createNetworkThreads() });
      await models.open('denoiser');
      console.log(process.report.getReport().environmentVariables.ORT_DISABLE_TELEMETRY);
    `;
    const { ORT_DISABLE_TELEMETRY: _, ...env } = process.env;
    const file = join(folder, 'main.mjs');
    await writeFile(file, code);
    const options = { env, encoding: 'utf8', timeout: 20_000 } as const;
    expect(execFileSync(process.execPath, [file], options).trim()).toBe('1');
  });
});
