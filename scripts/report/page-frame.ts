import { createHash } from 'node:crypto';
import { html, type Markup, verbatim } from './markup.ts';

export type PageFrame = {
  readonly title: string;
  readonly style: string;
  /** What the policy lets pictures come from. Default: only the page itself. */
  readonly imageSources?: string;
  /** Everything in <body>. The script that it may run is `script`, byte for byte, and no other. */
  readonly body: Markup;
  readonly script?: string;
};

/** A self-contained page. Its policy lets it run its own script and show its own pictures: it cannot load or send anything. */
export function pageFrame({ title, style, imageSources = 'data:', body, script }: PageFrame): Markup {
  const policy = [
    "default-src 'none'",
    `script-src ${script === undefined ? "'none'" : hashSource(script)}`,
    `style-src ${hashSource(style)}`,
    `img-src ${imageSources}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>${verbatim(style)}</style>
</head>
<body>
${body}
</body>
</html>
`;
}

const hashSource = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/** The first thing that every page says. */
export const honesty: Markup = html`<p class="honesty"><strong>The covered part of every face here is imagined.</strong> It is plausible, not true: the real mouth, nose and chin may look different. Not for identifying anybody.</p>`;

export function dateText(date: Date): Markup {
  const iso = date.toISOString();
  return html`<time datetime="${iso}">${iso.slice(0, 10)}, ${iso.slice(11, 16)} UTC</time>`;
}
