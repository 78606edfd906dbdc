/** A piece of HTML that is safe to put into a page. Only `html` and the two functions below make one. */
export type Markup = { readonly markup: string };

type Part = Markup | string | number | undefined | false | readonly Part[];

/** HTML from a template: every string put in is escaped, so nothing that a file is called can become markup. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return { markup: strings.reduce((text, string, index) => text + markupOf(parts[index - 1]) + string) };
}

/**
 * JSON for a `<script type="application/json">` block: nothing in it can end the block or open a comment in it, and no line separator
 * trips an old parser.
 */
export function jsonMarkup(value: unknown): Markup {
  return { markup: JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, unicodeEscape) };
}

/** Our own style sheet or script, whose text must be in the page byte for byte because the policy names its hash. */
export function verbatim(text: string): Markup {
  if (/<\/(script|style)|<!--/i.test(text))
    throw new RangeError('Expected a text without an end tag or a comment in it.');
  return { markup: text };
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"'`]/g, (character) => `&#${character.charCodeAt(0)};`);
}

function markupOf(part: Part): string {
  if (part === undefined || part === false) return '';
  if (typeof part === 'string') return escapeHtml(part);
  if (typeof part === 'number') return String(part);
  return 'markup' in part ? part.markup : part.map(markupOf).join('');
}

const unicodeEscape = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
