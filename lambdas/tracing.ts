import { Tracer } from '@aws-lambda-powertools/tracer';
import xray from 'aws-xray-sdk-core';
import type { Within } from './each-record.ts';

const tracer = new Tracer({ serviceName: 'unmask', captureHTTPsRequests: false });

/** What a trace tells of a request. X-Ray's own list has S3 keys too, and a file name can be a person's. */
const bucketOnly = { request_descriptors: { Bucket: { rename_to: 'bucket_name' } } };
const countOnly = { request_descriptors: { Entries: { list: true, get_count: true, rename_to: 'message_count' } } };
xray.setAWSWhitelist({
  services: {
    s3: {
      operations: {
        getObject: bucketOnly,
        headObject: bucketOnly,
        putObject: bucketOnly,
        deleteObject: bucketOnly,
        listObjectsV2: bucketOnly,
      },
    },
    sqs: { operations: { sendMessageBatch: countOnly } },
    lambda: { operations: { invoke: { request_parameters: ['FunctionName', 'InvocationType'] } } },
  },
});

/** A client whose requests show in the trace. SQS keeps the trace's header with the message. */
export const traced = <Client>(client: Client): Client => tracer.captureAWSv3Client(client);

/** What a trace is found by; goes to the photo in work. */
export const annotate = (name: 'jobId', value: string): void => tracer.getSegment()?.addAnnotation(name, value);

/** AWS closes the segment of an invocation to annotations; one below it takes them. What is thrown shows in it. */
export function inInvocation<Result>(functionName: string, work: () => Promise<Result>): Promise<Result> {
  const invocation = tracer.getSegment();
  if (!tracer.isTracingEnabled() || !invocation) return work();
  return inSegment(invocation.addNewSubsegment(functionName), async () => {
    tracer.annotateColdStart();
    return work();
  });
}

/**
 * Work on messages, each in the trace of the function that sent it: so one trace reaches from the upload to the record, although messages
 * of several uploads come in one invocation. AWS itself only links the two.
 */
export const inSendersTrace =
  (name: string): Within =>
  ({ traceHeader }, work) => {
    const { Root, Parent, Sampled } = fieldsOf(traceHeader);
    if (!tracer.isTracingEnabled() || Root === undefined || Sampled !== '1') return work();
    return inSegment(new xray.Segment(name, Root, Parent), work);
  };

/** `Root=1-...;Parent=...;Sampled=1` */
const fieldsOf = (header = ''): Readonly<Record<string, string | undefined>> =>
  Object.fromEntries(header.split(';').map((field) => field.split('=')));

/** In a context of its own, so that photos in work side by side do not mix. */
function inSegment<Result>(segment: xray.Segment | xray.Subsegment, work: () => Promise<Result>): Promise<Result> {
  return tracer.provider.getNamespace().runPromise(async () => {
    tracer.setSegment(segment);
    try {
      return await work();
    } catch (error) {
      segment.addError(error instanceof Error ? error : String(error));
      throw error;
    } finally {
      segment.close();
    }
  });
}
