import { uploadEvent } from '#aws/check-function.ts';
import type { PhotoReference } from '#pipeline/photo.ts';
import { createObserver, type MetricName, type Observer } from '../../lambdas/observe.ts';

export type Observed = {
  readonly observer: Observer;
  readonly lines: { readonly level: string; readonly message: string; readonly fields: object }[];
  readonly measured: Partial<Record<MetricName, number>>;
};

/** What a handler said, in arrays instead of CloudWatch. */
export function observing(): Observed {
  const lines: Observed['lines'] = [];
  const measured: Observed['measured'] = {};
  const observer = createObserver({
    line: (level, message, fields) => lines.push({ level, message, fields }),
    measure: (name, _unit, value) => {
      measured[name] = (measured[name] ?? 0) + value;
    },
    annotate: () => {},
  });
  return { observer, lines, measured };
}

/** https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html */
export const queueEvent = (bodies: readonly unknown[]) => ({
  Records: bodies.map((body, index) => ({
    messageId: `message-${index}`,
    receiptHandle: 'AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    attributes: { ApproximateReceiveCount: '1', SentTimestamp: '1545082649183' },
    messageAttributes: {},
    md5OfBody: '098f6bcd4621d373cade4e832627b4f6',
    eventSource: 'aws:sqs',
    eventSourceARN: 'arn:aws:sqs:us-east-2:123456789012:my-queue',
    awsRegion: 'us-east-2',
  })),
});

/** https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html */
export const failedCheck = (photo: PhotoReference) => ({
  version: '1.0',
  timestamp: '2026-11-14T18:16:05.568Z',
  requestContext: {
    requestId: 'e4b46cbf-b738-xmpl-8880-a18cdf61200e',
    functionArn: 'arn:aws:lambda:us-east-2:123456789012:function:check:$LATEST',
    condition: 'RetriesExhausted',
    approximateInvokeCount: 3,
  },
  requestPayload: uploadEvent(photo),
  responseContext: { statusCode: 200, executedVersion: '$LATEST', functionError: 'Unhandled' },
  responsePayload: { errorMessage: 'RequestId: e4b46cbf Process exited before completing request' },
});
