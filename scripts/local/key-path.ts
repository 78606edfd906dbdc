import { createHash } from 'node:crypto';

/**
 * Where a key lives below a store's folder: the key itself, part by part, so that people find their photos. Two exceptions:
 *
 * - A part over 255 bytes, which no common file system takes, becomes `<first bytes>~<16 hex of its sha256><extension>`.
 *   `metrics/<name>.json` gets there when the photo's own name has more than 250.
 * - A key that could leave the folder, or that the system cannot hold, is refused with an error: empty parts, `.`, `..`, NUL, halves
 *   of surrogate pairs; on Windows also `\`, `<>:"|?*`, control characters, a dot or space at the end, and device names such as `con`.
 *
 * Parts that start with `.~` are the store's own (unfinished files, long names) and are refused too.
 */
export function pathOfKey(key: string, platform: NodeJS.Platform = process.platform): readonly string[] {
  const fault = keyFault(key, platform);
  if (fault !== undefined) {
    throw new Error(`Expected a key that fits into a folder but received ${JSON.stringify(key)}: ${fault}`);
  }
  return key.split('/').map(shortenPart);
}

/** Names of the store's own files start with this; a listing leaves them out. */
export const ownPrefix = '.~';

/** ext4, APFS, NTFS and most others: 255 bytes or 255 UTF-16 units. Bytes are the stricter, and the same everywhere. */
const maxPartBytes = 255;

/** An extension longer than this is no extension but part of a name. */
const maxExtensionBytes = 16;

export function shortenPart(part: string): string {
  const bytes = Buffer.from(part);
  if (bytes.length <= maxPartBytes) return part;
  const tail = `~${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}${extensionOf(part)}`;
  return `${startOf(bytes, maxPartBytes - Buffer.byteLength(tail))}${tail}`;
}

/** False for most names, so that a listing need not ask for the long form of each. */
export function mayBeShortened(name: string): boolean {
  return /~[0-9a-f]{16}(\.[^.]*)?$/s.test(name);
}

function extensionOf(part: string): string {
  const dot = part.lastIndexOf('.');
  const extension = dot > 0 ? part.slice(dot) : '';
  return Buffer.byteLength(extension) <= maxExtensionBytes ? extension : '';
}

/** As many whole characters as fit into `limit` bytes. */
function startOf(bytes: Buffer, limit: number): string {
  let end = limit;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--; // 10xxxxxx continues a character
  return bytes.toString('utf8', 0, end);
}

/** Why a key has no place in a folder, undefined when it has one. */
export function keyFault(key: string, platform: NodeJS.Platform = process.platform): string | undefined {
  const parts = key.split('/');
  if (key === '') return 'it is empty';
  if (!key.isWellFormed()) return 'it is not valid Unicode';
  if (key.includes('\0')) return 'it contains NUL';
  if (parts.includes('')) return 'it has an empty part';
  if (parts.includes('.') || parts.includes('..')) return "'.' and '..' would name another place";
  if (parts.some((part) => part.startsWith(ownPrefix))) return `names that start with ${ownPrefix} are the store's own`;
  if (platform === 'win32' && parts.some(isRefusedByWindows)) return 'Windows cannot hold such a name';
  return undefined;
}

function isRefusedByWindows(part: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: Windows refuses control characters.
  return /[<>:"\\|?*\u0000-\u001f]|[. ]$|^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)/i.test(part);
}
