import { DeleteObjectCommand, ListObjectVersionsCommand, type S3Client } from '@aws-sdk/client-s3';
import { maxKeyBytes } from '#pipeline/photo.ts';
import { decodeS3Key } from './events.ts';

/** One version of an object, or the marker that a plain delete left. Without versioning an object has the one version `null`. */
export type ObjectVersion = {
  readonly bucket: string;
  readonly key: string;
  readonly versionId: string;
  readonly isMarker: boolean;
  /** Whether this is what a reader without a version id meets. */
  readonly isLatest: boolean;
};

export type VersionsOptions = { readonly client: S3Client; readonly bucket: string };

export type ObjectVersions = {
  /**
   * Every version under the prefix, in key order, of each key the latest at the end: whoever deletes in this order never lets an older
   * version, or one under a marker, come back to light. One LIST for each 1,000.
   */
  list(prefix: string): AsyncIterable<ObjectVersion>;
  /** Those of one key. */
  of(key: string): Promise<readonly ObjectVersion[]>;
  /** For good: nothing of that version is left. Removing what is not there is no error. One DELETE. */
  delete(version: ObjectVersion): Promise<void>;
};

/** What a bucket keeps of its objects, deleted ones too. Needs s3:ListBucketVersions and s3:DeleteObjectVersion. */
export function createObjectVersions({ client, bucket }: VersionsOptions): ObjectVersions {
  const versions: ObjectVersions = {
    async *list(prefix) {
      let ofKey: ObjectVersion[] = [];
      for await (const version of latestFirst(prefix)) {
        if (ofKey[0] && ofKey[0].key !== version.key) {
          yield* ofKey;
          ofKey = [];
        }
        ofKey.unshift(version);
      }
      yield* ofKey;
    },

    async of(key) {
      if (Buffer.byteLength(key) > maxKeyBytes) return [];
      const found: ObjectVersion[] = [];
      // A key is the first of all that begin with it.
      for await (const version of versions.list(key)) {
        if (version.key !== key) break;
        found.push(version);
      }
      return found;
    },

    async delete({ key, versionId }) {
      await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key, VersionId: versionId }));
    },
  };
  return versions;

  /** https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html */
  async function* latestFirst(prefix: string): AsyncIterable<ObjectVersion> {
    let marker: { readonly KeyMarker?: string | undefined; readonly VersionIdMarker?: string | undefined } = {};
    for (;;) {
      const page = await client.send(
        new ListObjectVersionsCommand({ Bucket: bucket, Prefix: prefix, EncodingType: 'url', ...marker }),
      );
      const decoded = (key: string) => (page.EncodingType === 'url' ? decodeS3Key(key) : key);
      const listed = [
        ...(page.Versions ?? []).map((version) => ({ ...version, isMarker: false })),
        ...(page.DeleteMarkers ?? []).map((version) => ({ ...version, isMarker: true })),
      ].map(({ Key = '', VersionId = 'null', IsLatest = false, isMarker }) => {
        return { bucket, key: decoded(Key), versionId: VersionId, isLatest: IsLatest, isMarker };
      });
      // S3 lists versions and markers in one order, the latest of a key first; the SDK takes them apart.
      yield* listed.sort(
        (a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)) || Number(b.isLatest) - Number(a.isLatest),
      );
      if (!page.IsTruncated) return;
      marker = {
        KeyMarker: page.NextKeyMarker === undefined ? undefined : decoded(page.NextKeyMarker),
        VersionIdMarker: page.NextVersionIdMarker,
      };
    }
  }
}
