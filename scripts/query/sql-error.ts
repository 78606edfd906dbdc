/** The sentence in DuckDB's message: `Parser Error: syntax error at or near "form"`, a blank line, then the SQL with a caret under it. */
export function sentenceOf({ message }: Error): string {
  const [said = ''] = message.replace(/^Failed to extract statements: /, '').split(/\n\s*\nLINE \d+:/);
  const text = said
    .replace(/^([A-Z][A-Za-z]* )+Error: /, '')
    .replace(/\s+/g, ' ')
    .trim();
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
