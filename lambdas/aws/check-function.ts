import { InvokeCommand, type LambdaClient } from '@aws-sdk/client-lambda';
import type { PhotoReference } from '#pipeline/photo.ts';

export type CheckFunctionOptions = { readonly client: LambdaClient; readonly name: string };

/**
 * Hands an upload to the check function as S3 would: asynchronously, with AWS's retries and the function's on-failure destination. One
 * request; needs lambda:InvokeFunction. https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html
 */
export function createCheckFunction({ client, name }: CheckFunctionOptions): (photo: PhotoReference) => Promise<void> {
  return async (photo) => {
    const Payload = new TextEncoder().encode(JSON.stringify(uploadEvent(photo)));
    await client.send(new InvokeCommand({ FunctionName: name, InvocationType: 'Event', Payload }));
  };
}

/** The S3 notification of this upload. https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html */
export function uploadEvent({ bucket, key, versionId, etag, bytes }: PhotoReference): object {
  const object = { key: encodeS3Key(key), size: bytes, eTag: etag, ...(versionId !== undefined && { versionId }) };
  return {
    Records: [{ eventSource: 'aws:s3', eventName: 'ObjectCreated:Put', s3: { bucket: { name: bucket }, object } }],
  };
}

/** As S3 writes keys into notifications: like a form, slashes left alone. */
const encodeS3Key = (key: string): string => key.split('/').map(encodeURIComponent).join('/').replaceAll('%20', '+');
