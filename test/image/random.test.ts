import { expect, test } from 'vitest';
import { createRandom } from '#image/random.ts';

test('a seed always gives the same numbers', () => {
  const [one, same, other] = [createRandom(1), createRandom(1), createRandom(2)];
  const draw = (random: () => number) => Array.from({ length: 5 }, random);
  const first = draw(one);
  expect(draw(same)).toEqual(first);
  expect(draw(other)).not.toEqual(first);
});

test('numbers are spread evenly over 32 bits', () => {
  const random = createRandom(42);
  const counts = new Array(16).fill(0);
  for (let i = 0; i < 16_000; i++) counts[random() >>> 28]++;
  for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150);
});
