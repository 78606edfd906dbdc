import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { loadModels } from '#vision/model.ts';
import { processingWith } from '#vision/processing-with.ts';

const modelsFolder = join(import.meta.dirname, '../../models');

type Change = (model: { parameters: Record<string, unknown>; sha256: string; scores: unknown }) => void;

let text: string;
beforeAll(async () => {
  text = await readFile(join(modelsFolder, 'models.json'), 'utf8');
});

/** Settings of a run with `rescnn` by a models.json in which one entry is changed. */
async function settingsAfter(name: string, change: Change): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'unmask-models-'));
  const held = JSON.parse(text);
  change(held.models.find((model: { name: string }) => model.name === name));
  await writeFile(join(folder, 'models.json'), JSON.stringify(held));
  return processingWith(await loadModels(folder), { model: 'rescnn', denoise: 'region' }).settings;
}

test('a run names its networks, and the same files and thresholds are the same settings', async () => {
  const models = await loadModels(modelsFolder);
  const processing = processingWith(models, { model: 'rescnn-56', denoise: 'off' });
  expect(processing).toMatchObject({
    detector: { name: expect.stringContaining('mask-detector') },
    denoiser: { name: 'denoiser' },
    unmasker: { name: 'rescnn-56' },
    denoise: 'off',
  });
  expect(processing.settings).toMatch(/^[0-9a-f]{64}$/);
  const usual = processingWith(models, { model: 'rescnn', denoise: 'region' }).settings;
  expect(usual).toBe(await settingsAfter('rescnn', () => {}));
  expect(usual).not.toBe(processing.settings);
});

test.each(['mask-detector', 'eye-locator', 'denoiser', 'rescnn'])(
  'another threshold or file of %s is another setting',
  async (name) => {
    const usual = await settingsAfter(name, () => {});
    const settings = [
      await settingsAfter(name, ({ parameters }) => {
        const [first = ''] = Object.keys(parameters).filter((key) => typeof parameters[key] === 'number');
        parameters[first] = Number(parameters[first]) * 0.9;
      }),
      await settingsAfter(name, (model) => {
        model.sha256 = '0'.repeat(64);
      }),
    ];
    expect(new Set([usual, ...settings]).size).toBe(3);
  },
);

test('what was measured of a network, and networks not asked for, are no setting', async () => {
  const usual = await settingsAfter('rescnn', () => {});
  expect(await settingsAfter('rescnn', (model) => Object.assign(model, { scores: {} }))).toBe(usual);
  expect(await settingsAfter('rescnn-56', (model) => Object.assign(model, { sha256: '0'.repeat(64) }))).toBe(usual);
});
