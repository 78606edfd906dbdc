/** A piece of HTML that is safe to put into a page. Only `html` and the two functions below make one. */
export type Markup = { readonly markup: string };

type Part = Markup | string | number | undefined | false | readonly Part[];

/** HTML from a template: every string put in is escaped, so nothing that a file is called can become markup. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return { markup: strings.reduce((text, string, index) => text + markupOf(parts[index - 1]) + string) };
}

/**
 * JSON for a `<script type="application/json">` block: nothing in it can end the block or open a comment in it. ASCII, item by item: a
 * list of pictures is 30 MB, and is held once.
 */
export function jsonMarkup(items: readonly unknown[]): Markup {
  return {
    markup: `[${items.map((item) => JSON.stringify(item).replace(/[<>&\u007f-\uffff]/g, unicodeEscape)).join(',')}]`,
  };
}

/** Our own style sheet or script, whose text must be in the page byte for byte because the policy names its hash. */
export function verbatim(text: string): Markup {
  if (/<\/(script|style)|<!--/i.test(text))
    throw new RangeError('Expected a text without an end tag or a comment in it.');
  return { markup: text };
}

/** Plain ASCII, which reads alike in every charset and takes one byte a character. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"'`]|[\u007f-\u{10ffff}]/gu, (character) => `&#${character.codePointAt(0)};`);
}

function markupOf(part: Part): string {
  if (part === undefined || part === false) return '';
  if (typeof part === 'string') return escapeHtml(part);
  if (typeof part === 'number') return String(part);
  return 'markup' in part ? part.markup : part.map(markupOf).join('');
}

const unicodeEscape = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
