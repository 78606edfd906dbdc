import { z } from 'zod';
import type { PhotoReference } from '#pipeline/photo.ts';

/**
 * What AWS sends, in the pipeline's words. Pure; only fields that are used are checked, because AWS adds others at will.
 *
 * S3 notifications: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
 * SQS events: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
 */

/** An object that was written. At least once per write, in no order; `sequencer` orders the writes of one key. */
export type CreatedObject = PhotoReference & { readonly sequencer?: string };

/**
 * The objects that a notification says were created; empty for the test event that S3 sends when a notification is configured.
 * @throws Error when it is no S3 notification.
 */
export function createdObjects(event: unknown): readonly CreatedObject[] {
  const parsed = notificationSchema.safeParse(event);
  if (!parsed.success) throw new Error('Expected an S3 notification', { cause: parsed.error });
  if ('Event' in parsed.data) return [];
  return parsed.data.Records.filter(({ eventName }) => isCreation(eventName)).map(createdObject);
}

function createdObject(record: unknown): CreatedObject {
  const parsed = creationSchema.safeParse(record);
  if (!parsed.success) throw new Error('Expected an S3 notification of a created object', { cause: parsed.error });
  const { bucket, object } = parsed.data.s3;
  return {
    bucket: bucket.name,
    key: decodeS3Key(object.key),
    etag: object.eTag,
    bytes: object.size,
    ...(object.versionId === undefined ? {} : { versionId: object.versionId }),
    ...(object.sequencer === undefined ? {} : { sequencer: object.sequencer }),
  };
}

/** Keys in notifications and in LIST with encoding-type url are encoded like a form: `+` is a space, `%2B` a plus. */
export function decodeS3Key(encoded: string): string {
  try {
    return decodeURIComponent(encoded.replaceAll('+', ' '));
  } catch (cause) {
    throw new Error(`Expected a URL-encoded key but received ${JSON.stringify(encoded)}`, { cause });
  }
}

/** A message as Lambda gets it from a queue. */
export type QueueRecord = {
  readonly messageId: string;
  readonly body: string;
  /** How often it has been received, this time included. */
  readonly receiveCount: number;
  /** Of the trace in which it was sent, where there is one. */
  readonly traceHeader?: string;
};

/** @throws Error when it is no event of an SQS event source. */
export function queueRecords(event: unknown): readonly QueueRecord[] {
  const parsed = queueEventSchema.safeParse(event);
  if (!parsed.success) throw new Error('Expected an event from an SQS queue', { cause: parsed.error });
  return parsed.data.Records.map(({ messageId, body, attributes }) => ({
    messageId,
    body,
    receiveCount: Number(attributes.ApproximateReceiveCount),
    ...(attributes.AWSTraceHeader !== undefined && { traceHeader: attributes.AWSTraceHeader }),
  }));
}

/** The objects that a message says were created: S3 notifications go through queues as JSON. */
export function createdObjectsIn({
  messageId,
  body,
}: Pick<QueueRecord, 'messageId' | 'body'>): readonly CreatedObject[] {
  return createdObjects(parseJson(body, messageId));
}

/**
 * The objects whose notification a function failed to handle, from a message of its on-failure destination.
 * https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
 */
export function failedInvocation({ messageId, body }: Pick<QueueRecord, 'messageId' | 'body'>): {
  readonly objects: readonly CreatedObject[];
  /** What the function's last attempt threw, or why it was never tried. */
  readonly message: string;
} {
  const parsed = failedInvocationSchema.safeParse(parseJson(body, messageId));
  if (!parsed.success) throw new Error('Expected a record of a failed invocation', { cause: parsed.error });
  const { requestPayload, requestContext, responsePayload } = parsed.data;
  return {
    objects: createdObjects(requestPayload),
    message: responsePayload?.errorMessage ?? requestContext.condition,
  };
}

/** What Lambda does with a batch: deletes the messages, except those named here, which come again when their visibility ends. */
export type BatchResponse = { readonly batchItemFailures: readonly { readonly itemIdentifier: string }[] };

/** Lambda takes an empty list for success, and an answer that it cannot read for the failure of the whole batch. */
export function batchResponse(
  outcomes: readonly { readonly messageId: string; readonly done: boolean }[],
): BatchResponse {
  return {
    batchItemFailures: outcomes.filter(({ done }) => !done).map(({ messageId }) => ({ itemIdentifier: messageId })),
  };
}

function parseJson(body: string, messageId: string): unknown {
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw new Error(`Expected JSON in message ${messageId}`, { cause });
  }
}

/** Buckets name events `ObjectCreated:Put`; the `s3:` is only in configurations. */
const isCreation = (eventName: string): boolean => eventName.startsWith('ObjectCreated:');

/** Notifications of removed objects have neither size nor etag, so these are asked for only where something was created. */
const notificationSchema = z.union([
  z.object({ Service: z.literal('Amazon S3'), Event: z.literal('s3:TestEvent') }),
  z.object({ Records: z.array(z.looseObject({ eventSource: z.literal('aws:s3'), eventName: z.string() })) }),
]);

const creationSchema = z.object({
  s3: z.object({
    bucket: z.object({ name: z.string().min(1) }),
    object: z.object({
      key: z.string().min(1),
      size: z.int().nonnegative(),
      eTag: z.string().min(1),
      versionId: z.string().optional(),
      sequencer: z.string().optional(),
    }),
  }),
});

const queueEventSchema = z.object({
  Records: z.array(
    z.object({
      eventSource: z.literal('aws:sqs'),
      messageId: z.string().min(1),
      body: z.string(),
      attributes: z.object({
        ApproximateReceiveCount: z.string().regex(/^\d+$/),
        AWSTraceHeader: z.string().optional(),
      }),
    }),
  ),
});

const failedInvocationSchema = z.object({
  requestContext: z.object({ condition: z.string() }),
  requestPayload: z.unknown(),
  responsePayload: z.object({ errorMessage: z.string().optional() }).nullish(),
});
