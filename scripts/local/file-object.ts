import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import type { ObjectSummary, StoredObject } from '#pipeline/ports.ts';

/**
 * A file seen as an object of a store. Its etag is the sha256 of its content in hex: the same photo has the same etag wherever it lies
 * and whenever it was copied, so "already done" survives a move, and an edit is a new upload. Not there: undefined.
 */
export async function readObject(file: string): Promise<StoredObject | undefined> {
  const bytes = await unlessAbsent(readFile(file));
  return bytes && { bytes, etag: etagOf(bytes) };
}

export function etagOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Reads the file once for its etag, 1 MiB at a time. Not there: undefined. */
export async function summariseObject(file: string): Promise<Omit<ObjectSummary, 'key'> | undefined> {
  const found = await unlessAbsent(stat(file));
  if (!found?.isFile()) return undefined;
  const etag = await unlessAbsent(hashFile(file, found.size));
  return etag === undefined ? undefined : { bytes: found.size, etag, lastModified: found.mtime };
}

/** Large enough that most photos need one read, small enough to be nothing beside a decoded photo. */
const chunkBytes = 1 << 20;

async function hashFile(file: string, bytes: number): Promise<string> {
  const hash = createHash('sha256');
  // A buffer of a megabyte for each small file would be most of the memory that a photo takes.
  const highWaterMark = Math.min(chunkBytes, Math.max(bytes, 1));
  for await (const chunk of createReadStream(file, { highWaterMark })) hash.update(chunk);
  return hash.digest('hex');
}

/** No such file, a file where a folder is looked for, or a folder where a file is looked for: there is no such object. */
async function unlessAbsent<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes(errorCode(cause))) return undefined;
    throw cause;
  }
}

/** `ENOENT` and the like, '' for what is no error of the system. */
export function errorCode(cause: unknown): string {
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
}
