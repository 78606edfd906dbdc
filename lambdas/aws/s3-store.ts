import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  type ListObjectsV2CommandOutput,
  PutObjectCommand,
  type PutObjectCommandOutput,
  paginateListObjectsV2,
  type S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { maxKeyBytes } from '#pipeline/photo.ts';
import type { ObjectSummary, PutCondition, PutOptions, Store } from '#pipeline/ports.ts';
import { decodeS3Key } from './events.ts';

export type S3StoreOptions = {
  readonly client: S3Client;
  readonly bucket: string;
  /** How to wait before a conditional write is tried again. Default: a timer. */
  readonly wait?: (milliseconds: number) => Promise<unknown>;
};

/**
 * A store in an S3 bucket. Needs s3:GetObject, PutObject, DeleteObject, and also ListBucket: without it S3 answers 403, not 404, for what
 * is not there.
 *
 * Conditions are S3's conditional writes: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html. An endpoint that
 * does not know them answers 200 and overwrites, so call `assertConditionalWrites` once before trusting another S3 than AWS's.
 *
 * Whole objects in one request, no multipart: photos have at most 50 megapixels, S3 takes 5 GB. Etags are S3's without their quotes.
 */
export function createS3Store({ client, bucket, wait = pause }: S3StoreOptions): Store {
  return {
    async get(key, options) {
      if (isTooLong(key)) return undefined;
      const found = await unlessAbsent(
        client.send(new GetObjectCommand({ Bucket: bucket, Key: key, VersionId: options?.versionId })),
      );
      if (found?.Body === undefined) return undefined;
      return { bytes: await found.Body.transformToByteArray(), ...identityOf(found) };
    },

    async head(key) {
      if (isTooLong(key)) return undefined;
      const found = await unlessAbsent(client.send(new HeadObjectCommand({ Bucket: bucket, Key: key })));
      return found && { bytes: found.ContentLength ?? 0, ...identityOf(found) };
    },

    async put(key, bytes, { contentType, condition }: PutOptions = {}) {
      const object = { Bucket: bucket, Key: key, Body: bytes, ContentType: contentType };
      if (condition === undefined) return identityOf(await client.send(new PutObjectCommand(object)));

      const writeId = randomUUID();
      const command = { ...object, ...headersOf(condition), Metadata: { [writeIdName]: writeId } };
      const answer = await retryingConflicts(() => client.send(new PutObjectCommand(command)), { bucket, wait });
      if ('written' in answer) return identityOf(answer.written);
      return (answer.attempts > 1 && (await ownWrite(client, { bucket, key, writeId }))) || 'conflict';
    },

    async *list(prefix) {
      // Keys may hold characters that XML 1.0 cannot, so S3 is asked to URL-encode them.
      const pages = paginateListObjectsV2({ client }, { Bucket: bucket, Prefix: prefix, EncodingType: 'url' });
      for await (const page of pages)
        yield* (page.Contents ?? []).map((object) => summaryOf(object, page.EncodingType));
    },

    async delete(key) {
      await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
    },
  };
}

type Identified = { readonly ETag?: string | undefined; readonly VersionId?: string | undefined };

function identityOf({ ETag, VersionId }: Identified): { readonly etag: string; readonly versionId?: string } {
  const etag = (ETag ?? '').replaceAll('"', '');
  return VersionId === undefined ? { etag } : { etag, versionId: VersionId };
}

type Listed = NonNullable<ListObjectsV2CommandOutput['Contents']>[number];

function summaryOf({ Key = '', Size = 0, ETag, LastModified }: Listed, encoding: string | undefined): ObjectSummary {
  if (LastModified === undefined) throw new Error('Expected S3 to list objects with a modification time');
  const key = encoding === 'url' ? decodeS3Key(Key) : Key;
  return { key, bytes: Size, etag: identityOf({ ETag }).etag, lastModified: LastModified };
}

function headersOf(condition: PutCondition): { readonly IfNoneMatch: '*' } | { readonly IfMatch: string } {
  return 'ifAbsent' in condition ? { IfNoneMatch: '*' } : { IfMatch: `"${condition.ifMatch}"` };
}

/** No object can have such a key; S3 would answer 400. The reference of a photo with a very long name, say. */
const isTooLong = (key: string): boolean => Buffer.byteLength(key) > maxKeyBytes;

/** HEAD has no body and so no code: there 404 alone has to do. A bucket that is not there is a mistake, not an absent object. */
function isAbsent(error: unknown): boolean {
  return error instanceof S3ServiceException && error.$metadata.httpStatusCode === 404 && error.name !== 'NoSuchBucket';
}

async function unlessAbsent<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** 409 means that S3 could not decide between simultaneous writers; it asks for a retry. 0.05 + 0.1 + 0.2 + 0.4 + 0.8 s in all. */
const conflictRetries = 5;
const firstWaitMs = 50;

type Place = { readonly bucket: string; readonly key: string };
type Refused = { /** Requests that the SDK made for this answer. */ readonly attempts: number };

async function retryingConflicts(
  send: () => Promise<PutObjectCommandOutput>,
  { bucket, wait }: Pick<Place, 'bucket'> & Required<Pick<S3StoreOptions, 'wait'>>,
): Promise<{ readonly written: PutObjectCommandOutput } | Refused> {
  for (let retry = 0; ; retry++) {
    try {
      return { written: await send() };
    } catch (error) {
      if (!(error instanceof S3ServiceException)) throw error;
      const { httpStatusCode, attempts = 1 } = error.$metadata;
      if (httpStatusCode === 412 || isAbsent(error)) return { attempts };
      if (error.name !== 'ConditionalRequestConflict') throw error;
      if (retry === conflictRetries) {
        // Without the key: the message gets into logs, and a file name can be a person's.
        const message = `S3 could not decide a conditional write to ${bucket} in ${conflictRetries + 1} attempts`;
        throw new Error(message, { cause: error });
      }
      await wait(firstWaitMs * 2 ** retry);
    }
  }
}

const writeIdName = 'write-id';

/**
 * The answer to a write can get lost; then the SDK repeats the request and S3 refuses, because the object is there: our own. The id in its
 * metadata tells. Without this a writer would lose against itself.
 */
async function ownWrite(
  client: S3Client,
  { bucket, key, writeId }: Place & { readonly writeId: string },
): Promise<{ readonly etag: string } | undefined> {
  const found = await unlessAbsent(client.send(new HeadObjectCommand({ Bucket: bucket, Key: key })));
  return found?.Metadata?.[writeIdName] === writeId ? identityOf(found) : undefined;
}
