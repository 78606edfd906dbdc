import fc from 'fast-check';
import { expect, test } from 'vitest';
import { html, jsonMarkup, verbatim } from '../../scripts/report/markup.ts';

/** Any character below the surrogates, control characters among them. */
const anyCharacter = fc.integer({ min: 0, max: 0xd7ff }).map((code) => String.fromCodePoint(code));

test('text put into a template is escaped, also inside an attribute', () => {
  const name = `<img src=x onerror="alert(1)">&'\``;
  expect(html`<a title="${name}">${name}</a>`.markup).toBe(
    '<a title="&#60;img src=x onerror=&#34;alert(1)&#34;&#62;&#38;&#39;&#96;">&#60;img src=x onerror=&#34;alert(1)&#34;&#62;&#38;&#39;&#96;</a>',
  );
});

test('markup put into a template stays markup, a list is joined, and nothing becomes nothing', () => {
  expect(html`<ul>${[1, 2].map((item) => html`<li>${item}</li>`)}${undefined}${false}</ul>`.markup).toBe(
    '<ul><li>1</li><li>2</li></ul>',
  );
});

test('no text can end a data block or open a comment in it, and it reads back as it was', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: anyCharacter }),
      fc.constantFrom('', '</script>', '<!--', '\u2028', ']]>', '&'),
      (text, odd) => {
        const { markup } = jsonMarkup([{ text: odd + text }]);
        expect(markup).toMatch(/^[ -;=?-~]*$/);
        expect(markup).not.toContain('&');
        expect(JSON.parse(markup)).toEqual([{ text: odd + text }]);
      },
    ),
  );
});

test('a script of ours that holds an end tag is refused', () => {
  expect(() => verbatim('const a = "</script>";')).toThrow(RangeError);
});
