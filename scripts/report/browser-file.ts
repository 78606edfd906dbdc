import { readFile } from 'node:fs/promises';

/** A style sheet or script of the pages, with line ends as the browser hashes them, whatever git made of them. */
export async function browserFile(name: string): Promise<string> {
  return (await readFile(new URL(`browser/${name}`, import.meta.url), 'utf8')).replaceAll('\r\n', '\n');
}
