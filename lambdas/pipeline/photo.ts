import { createHash } from 'node:crypto';

/** One upload: which bytes, exactly. Locally the bucket is `local`, the etag the content's sha256 and there is no versionId. */
export type PhotoReference = {
  readonly bucket: string;
  readonly key: string;
  readonly versionId?: string | undefined;
  readonly etag: string;
  readonly bytes: number;
};

const photosPrefix = 'photos/';

/** The part of the key that is the same in every prefix: `photos/a/b.png` -> `a/b.png`. */
export function photoPath(key: string): string {
  if (!key.startsWith(photosPrefix) || key.length === photosPrefix.length) {
    throw new RangeError(`Expected a key under ${photosPrefix} but received ${JSON.stringify(key)}.`);
  }
  return key.slice(photosPrefix.length);
}

export const unmaskedKey = (photoKey: string): string => `unmasked/${resultPath(photoKey)}`;
export const metricsKey = (photoKey: string): string => `metrics/${resultPath(photoKey)}.json`;
export const referenceKey = (photoKey: string): string => `references/${photoPath(photoKey)}`;

/** The exact upload, for a Store's get; empty where the bucket keeps no versions. */
export const versionOf = ({ versionId }: PhotoReference): { readonly versionId?: string } =>
  versionId === undefined ? {} : { versionId };

/**
 * Whether somebody deleted the upload: a version that was named is not there. It is no upload any more, so it leaves no record. Without
 * versions nobody can tell it from a file that may not be opened.
 */
export const isDeleted = ({ versionId }: PhotoReference, stored: object | undefined): boolean =>
  versionId !== undefined && stored === undefined;

/** Of UTF-8. https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html */
export const maxKeyBytes = 1024;

const maxPathBytes = maxKeyBytes - 'metrics/.json'.length;

/**
 * The path of a photo's results: its own, unless `metrics/<path>.json` would fill a key or be too long for one. Then its beginning, its
 * sha256 and its extension, with `_` between them up to exactly the longest path, which no path of its own has: so no two photos share a
 * name. The record inside has the whole key.
 */
function resultPath(photoKey: string): string {
  const path = photoPath(photoKey);
  const bytes = new TextEncoder().encode(path);
  if (bytes.length < maxPathBytes) return path;
  const [extension = ''] = /\.[^./]{1,15}$/.exec(path) ?? [];
  const tail = `${createHash('sha256').update(bytes).digest('hex')}${extension}`;
  const room = maxPathBytes - new TextEncoder().encode(tail).length - 1;
  // A character cut in half decodes to U+FFFD.
  const start = new TextDecoder().decode(bytes.subarray(0, room)).replace(/\ufffd+$/, '');
  return `${start}${'_'.repeat(room + 1 - new TextEncoder().encode(start).length)}${tail}`;
}
