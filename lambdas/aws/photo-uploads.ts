import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Crc64NvmeJs } from '@aws-sdk/checksums/crc';
import { HeadObjectCommand, type S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import type { PhotoReference } from '#pipeline/photo.ts';

export type PhotoUploads = {
  /** What is in the bucket under the key when it has this file's bytes: by size first, then by checksum. One HEAD; reads the file once. */
  findSame(key: string, file: string): Promise<PhotoReference | undefined>;
  /**
   * The file, whole or not at all; in parts of 8 MB, side by side, when it is larger. S3 compares checksums on arrival.
   * @throws when the file cannot be read, or S3 refuses; what was begun is given up.
   */
  upload(key: string, file: string): Promise<PhotoReference>;
};

export type PhotoUploadsOptions = { readonly client: S3Client; readonly bucket: string };

const partBytes = 8 * 1024 * 1024;
const partsAtOnce = 4;

/**
 * Files of this machine into the photos bucket. Needs s3:GetObject and s3:PutObject. The checksum is CRC-64/NVME of the whole object, which
 * is the same in however many parts it came: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html.
 * Objects that others uploaded with another one are compared by their etag where that is an MD5.
 */
export function createPhotoUploads({ client, bucket }: PhotoUploadsOptions): PhotoUploads {
  return {
    async findSame(key, file) {
      const head = await headOf(key);
      if (!head) return undefined;
      const { ContentLength, ETag = '', ChecksumCRC64NVME, VersionId } = head;
      const etag = ETag.replaceAll('"', '');
      const { size } = await stat(file);
      if (size !== ContentLength) return undefined;
      const isSame =
        ChecksumCRC64NVME === undefined
          ? etag === (await md5Of(file))
          : ChecksumCRC64NVME === (await crc64NvmeOf(file));
      return isSame ? reference(key, etag, size, VersionId) : undefined;
    },

    async upload(key, file) {
      const { size } = await stat(file);
      const upload = new Upload({
        client,
        partSize: partBytes,
        queueSize: partsAtOnce,
        params: { Bucket: bucket, Key: key, Body: createReadStream(file), ChecksumAlgorithm: 'CRC64NVME' },
      });
      const { ETag = '', VersionId } = await upload.done();
      return reference(key, ETag.replaceAll('"', ''), size, VersionId);
    },
  };

  async function headOf(Key: string) {
    try {
      return await client.send(new HeadObjectCommand({ Bucket: bucket, Key, ChecksumMode: 'ENABLED' }));
    } catch (error) {
      if (error instanceof S3ServiceException && error.$metadata.httpStatusCode === 404) return undefined;
      throw error;
    }
  }

  function reference(key: string, etag: string, bytes: number, versionId: string | undefined): PhotoReference {
    return { bucket, key, etag, bytes, ...(versionId !== undefined && { versionId }) };
  }
}

async function crc64NvmeOf(file: string): Promise<string> {
  const crc = new Crc64NvmeJs();
  for await (const chunk of createReadStream(file)) crc.update(chunk);
  return Buffer.from(await crc.digest()).toString('base64');
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html: of one part, and not encrypted with KMS. */
async function md5Of(file: string): Promise<string> {
  const md5 = createHash('md5');
  for await (const chunk of createReadStream(file)) md5.update(chunk);
  return md5.digest('hex');
}
