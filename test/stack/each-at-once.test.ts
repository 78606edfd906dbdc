import { expect, test } from 'vitest';
import { eachAtOnce } from '../../scripts/stack/each-at-once.ts';

test('so many are in work at once, and all get done', async () => {
  let inWork = 0;
  let most = 0;
  const done: number[] = [];
  await eachAtOnce(
    Array.from({ length: 20 }, (_, index) => index),
    { atOnce: 4 },
    async (item) => {
      most = Math.max(most, ++inWork);
      await new Promise(setImmediate);
      inWork--;
      done.push(item);
    },
  );
  expect({ most, done: done.toSorted((a, b) => a - b) }).toEqual({ most: 4, done: [...Array(20).keys()] });
});

test('after a failure nothing is begun, what is in hand is finished, and the failure is thrown', async () => {
  const begun: number[] = [];
  const finished: number[] = [];
  const work = async (item: number) => {
    begun.push(item);
    await new Promise(setImmediate);
    if (item === 1) throw new Error('broken');
    await new Promise(setImmediate);
    finished.push(item);
  };
  await expect(eachAtOnce([0, 1, 2, 3, 4, 5], { atOnce: 2 }, work)).rejects.toThrow('broken');
  expect({ begun, finished }).toEqual({ begun: [0, 1], finished: [0] });
});

test('after the signal nothing is begun', async () => {
  const controller = new AbortController();
  const begun: number[] = [];
  async function* items() {
    for (let item = 0; item < 9; item++) {
      if (item === 3) controller.abort();
      yield item;
    }
  }
  await eachAtOnce(items(), { atOnce: 1, signal: controller.signal }, async (item) => begun.push(item));
  expect(begun).toEqual([0, 1, 2]);
});

test('a listing that fails is a failure', async () => {
  async function* items() {
    yield 1;
    throw new Error('no listing');
  }
  await expect(eachAtOnce(items(), { atOnce: 3 }, async () => {})).rejects.toThrow('no listing');
});
