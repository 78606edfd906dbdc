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

export const unmaskedKey = (photoKey: string): string => `unmasked/${photoPath(photoKey)}`;
export const metricsKey = (photoKey: string): string => `metrics/${photoPath(photoKey)}.json`;
export const referenceKey = (photoKey: string): string => `references/${photoPath(photoKey)}`;

/** The exact upload, for a Store's get; empty where the bucket keeps no versions. */
export const versionOf = ({ versionId }: PhotoReference): { readonly versionId?: string } =>
  versionId === undefined ? {} : { versionId };
