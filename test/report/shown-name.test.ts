import { expect, test } from 'vitest';
import { shownName } from '../../scripts/report/shown-name.ts';

test('control characters in a name are made visible', () => {
  expect(shownName('two\nlines\t.png')).toBe('two␊lines␉.png');
});

test('a name cannot turn the text around it', () => {
  expect(shownName('photo\u202Egnp.exe')).toBe('photo\uFFFDgnp.exe');
});

test('other names are shown as they are', () => {
  expect(shownName('Grüße/日本 😀 100%.png')).toBe('Grüße/日本 😀 100%.png');
});
