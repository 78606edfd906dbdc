import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { canAsk, confirm } from '../../scripts/stack/confirm.ts';

const terminal = () => ({ input: new PassThrough(), output: new PassThrough() });

test.each([
  ['yes\n', true],
  [' YES \n', true],
  ['y\n', false],
  ['\n', false],
  ['no\nyes\n', false],
])('%j is %s', async (typed, answer) => {
  const { input, output } = terminal();
  input.write(typed);
  expect(await confirm('Delete 3 photos?', { input, output })).toBe(answer);
  expect(output.read()?.toString()).toContain('Delete 3 photos? Type yes to go on: ');
});

test('a terminal that goes away is no', async () => {
  const { input, output } = terminal();
  const answer = confirm('Delete 3 photos?', { input, output });
  input.end();
  expect(await answer).toBe(false);
});

test('nobody can be asked through a pipe', () => {
  expect(canAsk(terminal())).toBe(false);
});
