import { randomUUID } from 'node:crypto';

export type Version<Stored> = {
  readonly key: string;
  readonly versionId: string;
  /** Undefined: a delete marker. */
  readonly object: Stored | undefined;
  readonly at: Date;
};

/**
 * What a versioned bucket keeps of its objects: every write a version, every plain delete a marker, until a version is deleted by its id.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeletingObjectVersions.html
 */
export function createObjectVersions<Stored>() {
  const history = new Map<string, Version<Stored>[]>(); // by key, newest first

  return {
    /** A new version, or a marker without an object; the answer is its id. */
    add(key: string, object: Stored | undefined): string {
      const versionId = randomUUID();
      history.set(key, [{ key, versionId, object, at: new Date() }, ...(history.get(key) ?? [])]);
      return versionId;
    },

    /** The version, or without an id the newest. */
    find(key: string, versionId?: string): Version<Stored> | undefined {
      return history.get(key)?.find((version) => versionId === undefined || version.versionId === versionId);
    },

    remove(key: string, versionId: string): void {
      const left = (history.get(key) ?? []).filter((version) => version.versionId !== versionId);
      if (left.length > 0) history.set(key, left);
      else history.delete(key);
    },

    /** Keys in the order of UTF-8 bytes, of each the newest first. */
    list(): readonly Version<Stored>[] {
      return [...history.keys()]
        .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
        .flatMap((key) => history.get(key) ?? []);
    },
  };
}
