import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { relativeUrl } from '../../scripts/report/relative-url.ts';

const fileBehind = (url: string | undefined) => fileURLToPath(new URL(url ?? '', 'file:///out/report.html'));

/** Any character below the surrogates, control characters among them. */
const anyCharacter = fc.integer({ min: 0, max: 0xd7ff }).map((code) => String.fromCodePoint(code));

test('a link leads to the file whatever its name holds', () => {
  const names = [
    'a b',
    '100%',
    '%20',
    'a+b',
    '#1',
    'why?',
    'x&y;z',
    'grüße',
    '日本',
    '😀',
    'two\nlines',
    'a:b',
    '"q"',
    "it's",
  ];
  for (const name of names) expect(fileBehind(relativeUrl(`unmasked/${name}.png`))).toBe(`/out/unmasked/${name}.png`);
});

test('any part that a folder can hold survives the way there and back', () => {
  const part = fc
    .string({ unit: anyCharacter, minLength: 1, maxLength: 40 })
    .filter((text) => !/[/\0]/.test(text) && text !== '.' && text !== '..' && Buffer.byteLength(text) <= 255);
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), (parts) => {
      expect(fileBehind(relativeUrl(['unmasked', ...parts].join('/')))).toBe(join('/out/unmasked', ...parts));
    }),
  );
});

test('a key that would lead somewhere else has no link', () => {
  for (const key of ['unmasked/../../secret', 'unmasked/./a', 'unmasked//a']) expect(relativeUrl(key)).toBeUndefined();
});

test('a name too long for a file system is linked under its short form', () => {
  const url = relativeUrl(`unmasked/${'x'.repeat(400)}.png`);
  expect(fileBehind(url).split('/').at(-1)).toHaveLength(255);
});

test('half of a surrogate pair does not stop the report', () => {
  expect(relativeUrl('unmasked/\ud800.png')).toBe('unmasked/%EF%BF%BD.png');
});
