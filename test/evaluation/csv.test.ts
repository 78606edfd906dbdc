import { expect, test } from 'vitest';
import { csvLine, parseCsv } from '../../scripts/evaluation/csv.ts';

test('what is written is read back, whatever the texts hold', () => {
  const odd = ['a,b', 'say "hi"', 'two\nlines', '', 'ß'];
  expect(parseCsv(csvLine(['v', 'w', 'x', 'y', 'z']) + csvLine(odd))).toEqual([
    { v: odd[0], w: odd[1], x: odd[2], y: odd[3], z: odd[4] },
  ]);
});

test('a last line that was cut off is left out', () => {
  expect(parseCsv('a,b\n1,2\n3,')).toEqual([{ a: '1', b: '2' }]);
});

test('line ends of Python on Windows are line ends', () => {
  expect(parseCsv('a,b\r\n1,2\r\n')).toEqual([{ a: '1', b: '2' }]);
});
