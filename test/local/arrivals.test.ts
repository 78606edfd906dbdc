import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { arrivals } from '#local/arrivals.ts';
import { walkFolder } from '#local/walk-folder.ts';

vi.mock('#local/walk-folder.ts', { spy: true });

// Events can be lost; here all of them are.
vi.mock('chokidar', () => {
  const silent = { on: () => silent, close: async () => {} };
  return { watch: () => silent };
});

/** Watches a new folder, and gathers what arrives below it until `stop`. */
async function watchNew() {
  const folder = await mkdtemp(join(tmpdir(), 'unmask-arrivals-'));
  const controller = new AbortController();
  const lots: string[][] = [];
  const gather = async () => {
    const options = { except: join(folder, 'out'), signal: controller.signal, sweepMilliseconds: 100 };
    for await (const lot of arrivals(folder, options)) lots.push(lot.map((file) => file.slice(folder.length + 1)));
  };
  const gathering = gather();
  const write = async (path: string, content = path) => {
    await mkdir(join(folder, path, '..'), { recursive: true });
    await writeFile(join(folder, path), content);
  };
  const stop = async () => {
    controller.abort();
    await gathering;
  };
  return { lots, write, stop };
}

test('what no event told of is found all the same, once, and again when it has changed', async () => {
  const { lots, write, stop } = await watchNew();
  await write('now.jpg');
  await write('new/deep/then.jpg');
  await write('.hidden.jpg');
  await write('out/unmasked/now.jpg');
  await expect.poll(() => lots.flat().sort(), { timeout: 10_000 }).toEqual(['new/deep/then.jpg', 'now.jpg']);
  await write('now.jpg', 'longer than before');
  await expect.poll(() => lots.flat().filter((file) => file === 'now.jpg'), { timeout: 10_000 }).toHaveLength(2);
  await stop();
  expect(lots.flat()).toHaveLength(3);
});

test('the signal ends it while nothing arrives', async () => {
  const { lots, stop } = await watchNew();
  await stop();
  expect(lots).toEqual([]);
});

test('who takes no more lots, because of an error say, is not swept for', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'unmask-arrivals-'));
  await writeFile(join(folder, 'now.jpg'), 'now');
  const options = { except: join(folder, 'out'), signal: new AbortController().signal, sweepMilliseconds: 100 };
  for await (const lot of arrivals(folder, options)) {
    expect(lot).toEqual([join(folder, 'now.jpg')]);
    break;
  }
  const sweeps = vi.mocked(walkFolder).mock.calls.length;
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(walkFolder).toHaveBeenCalledTimes(sweeps);
});
