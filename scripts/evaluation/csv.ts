/** Lines of a CSV file (RFC 4180) as objects by the names of its first line. A last line without its end was cut off, and is left out. */
export function parseCsv(text: string): readonly Readonly<Record<string, string>>[] {
  const [names = [], ...lines] = linesOf(text.replaceAll('\r\n', '\n'));
  return lines
    .filter((line) => line.length === names.length)
    .map((line) => Object.fromEntries(names.map((name, column) => [name, line[column] ?? ''])));
}

/** One line with its end; texts are quoted where they have to be. */
export function csvLine(values: readonly string[]): string {
  return `${values.map((value) => (/[",\n\r]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value)).join(',')}\n`;
}

function linesOf(text: string): readonly (readonly string[])[] {
  const lines: string[][] = [];
  let line: string[] = [];
  let value = '';
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? '';
    if (quoted && character === '"' && text[at + 1] === '"') {
      value += '"';
      at++;
    } else if (character === '"') quoted = !quoted;
    else if (quoted || (character !== ',' && character !== '\n')) value += character;
    else {
      line.push(value);
      value = '';
      if (character === '\n') {
        lines.push(line);
        line = [];
      }
    }
  }
  return lines;
}
