import { shortenPart } from '#local/key-path.ts';

/**
 * A link from DIR/report.html to the file of this key in the same folder, whatever its name holds: space, %, +, #, ?, newline, any
 * script, more than 255 bytes. Undefined for a key that a browser would take for another place (a part `.` or `..`, an empty one).
 */
export function relativeUrl(key: string): string | undefined {
  const parts = key.split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..')) return undefined;
  return parts.map((part) => encodeURIComponent(shortenPart(part.toWellFormed()))).join('/');
}
