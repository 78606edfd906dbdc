import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  batchResponse,
  createdObjects,
  createdObjectsIn,
  decodeS3Key,
  failedInvocation,
  queueRecords,
} from '#aws/events.ts';

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html, with a versioned bucket. */
const notification = (object: object = {}, record: object = {}) => ({
  Records: [
    {
      eventVersion: '2.1',
      eventSource: 'aws:s3',
      awsRegion: 'us-west-2',
      eventTime: '1970-01-01T00:00:00.000Z',
      eventName: 'ObjectCreated:Put',
      userIdentity: { principalId: 'AIDAJDPLRKLG7UEXAMPLE' },
      requestParameters: { sourceIPAddress: '127.0.0.1' },
      responseElements: {
        'x-amz-request-id': 'C3D13FE58DE4C810',
        'x-amz-id-2': 'FMyUVURIY8/IgAtTv8xRjskZQpcIZ9KG4V5Wp6S7S/JRWeUWerMUE5JgHvANOjpD',
      },
      s3: {
        s3SchemaVersion: '1.0',
        configurationId: 'testConfigRule',
        bucket: {
          name: 'amzn-s3-demo-bucket',
          ownerIdentity: { principalId: 'A3NL1KOZZKExample' },
          arn: 'arn:aws:s3:::amzn-s3-demo-bucket',
        },
        object: {
          key: 'photos/HappyFace.jpg',
          size: 1024,
          eTag: 'd41d8cd98f00b204e9800998ecf8427e',
          versionId: '096fKKXTRTtl3on89fVO.nfljtsv6qko',
          sequencer: '0055AED6DCD90281E5',
          ...object,
        },
      },
      ...record,
    },
  ],
});

/** https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html */
const queueEvent = {
  Records: [
    {
      messageId: '059f36b4-87a3-44ab-83d2-661975830a7d',
      receiptHandle: 'AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a...',
      body: 'Test message.',
      attributes: {
        ApproximateReceiveCount: '1',
        SentTimestamp: '1545082649183',
        SenderId: 'AIDAIENQZJOLO23YVJ4VO',
        ApproximateFirstReceiveTimestamp: '1545082649185',
      },
      messageAttributes: {
        myAttribute: { stringValue: 'myValue', stringListValues: [], binaryListValues: [], dataType: 'String' },
      },
      md5OfBody: 'e4e68fb7bd0e697a0ae8f1bb342846b3',
      eventSource: 'aws:sqs',
      eventSourceARN: 'arn:aws:sqs:us-east-2:123456789012:my-queue',
      awsRegion: 'us-east-2',
    },
    {
      messageId: '2e1424d4-f796-459a-8184-9c92662be6da',
      receiptHandle: 'AQEBzWwaftRI0KuVm4tP+/7q1rGgNqicHq...',
      body: 'Test message.',
      attributes: {
        ApproximateReceiveCount: '3',
        SentTimestamp: '1545082650636',
        SenderId: 'AIDAIENQZJOLO23YVJ4VO',
        ApproximateFirstReceiveTimestamp: '1545082650649',
      },
      messageAttributes: {},
      md5OfBody: 'e4e68fb7bd0e697a0ae8f1bb342846b3',
      eventSource: 'aws:sqs',
      eventSourceARN: 'arn:aws:sqs:us-east-2:123456789012:my-queue',
      awsRegion: 'us-east-2',
    },
  ],
};

/** https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html */
const invocationRecord = (requestPayload: unknown, more: object = {}) => ({
  version: '1.0',
  timestamp: '2019-11-14T18:16:05.568Z',
  requestContext: {
    requestId: 'e4b46cbf-b738-xmpl-8880-a18cdf61200e',
    functionArn: 'arn:aws:lambda:us-east-2:123456789012:function:my-function:$LATEST',
    condition: 'RetriesExhausted',
    approximateInvokeCount: 3,
  },
  requestPayload,
  responseContext: { statusCode: 200, executedVersion: '$LATEST', functionError: 'Unhandled' },
  responsePayload: {
    errorMessage: 'RequestId: e4b46cbf-b738-xmpl-8880-a18cdf61200e Process exited before completing request',
  },
  ...more,
});

const happyFace = {
  bucket: 'amzn-s3-demo-bucket',
  key: 'photos/HappyFace.jpg',
  versionId: '096fKKXTRTtl3on89fVO.nfljtsv6qko',
  etag: 'd41d8cd98f00b204e9800998ecf8427e',
  bytes: 1024,
  sequencer: '0055AED6DCD90281E5',
};

describe('an S3 notification', () => {
  test('names the object that was created', () => {
    expect(createdObjects(notification())).toEqual([happyFace]);
  });

  test('of a bucket without versions has none', () => {
    const [object] = createdObjects(notification({ versionId: undefined }));
    expect(object).not.toHaveProperty('versionId');
  });

  test.each([
    ['photos/red+flower.jpg', 'photos/red flower.jpg'],
    ['photos/1%2B1.jpg', 'photos/1+1.jpg'],
    ['photos/100%25.jpg', 'photos/100%.jpg'],
    ['photos/Z%C3%BCrich+%F0%9F%98%80.jpg', 'photos/Zürich 😀.jpg'],
    ['photos/new%0Aline.jpg', 'photos/new\nline.jpg'],
    ['photos/a%252Fb.jpg', 'photos/a%2Fb.jpg'],
  ])('with the key %s is about %s', (encoded, key) => {
    expect(createdObjects(notification({ key: encoded }))[0]?.key).toBe(key);
  });

  test('may hold several records, of uploads of every kind', () => {
    const kinds = ['ObjectCreated:Post', 'ObjectCreated:Copy', 'ObjectCreated:CompleteMultipartUpload'];
    const Records = kinds.flatMap((eventName) => notification({}, { eventName }).Records);
    expect(createdObjects({ Records })).toEqual([happyFace, happyFace, happyFace]);
  });

  test('of an empty object is one of zero bytes', () => {
    expect(createdObjects(notification({ size: 0 }))[0]?.bytes).toBe(0);
  });

  test('of a removed object names nothing', () => {
    const removed = notification(
      { size: undefined, eTag: undefined },
      { eventName: 'ObjectRemoved:DeleteMarkerCreated' },
    );
    expect(createdObjects(removed)).toEqual([]);
  });

  test('that S3 sends to try the configuration names nothing', () => {
    const testEvent = {
      Service: 'Amazon S3',
      Event: 's3:TestEvent',
      Time: '2014-10-13T15:57:02.089Z',
      Bucket: 'amzn-s3-demo-bucket',
      RequestId: '5582815E1AEA5ADF',
      HostId: '8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR+YstdA6Knx4Ip8EXAMPLE',
    };
    expect(createdObjects(testEvent)).toEqual([]);
    expect(createdObjectsIn({ messageId: 'test', body: JSON.stringify(testEvent) })).toEqual([]);
  });

  test.each([
    ['nothing', undefined],
    ['text', 'Records'],
    ['no records', {}],
    ['an SQS event', queueEvent],
  ])('is not %s', (_, event) => {
    expect(() => createdObjects(event)).toThrow('Expected an S3 notification');
  });

  test.each([{ key: undefined }, { key: '' }, { size: -1 }, { size: '1' }, { eTag: undefined }])(
    'of a created object with %j is an error',
    (object) => {
      expect(() => createdObjects(notification(object))).toThrow('Expected an S3 notification of a created object');
    },
  );

  test('with a key that is not URL-encoded is an error with the key in it', () => {
    expect(() => createdObjects(notification({ key: '100%.jpg' }))).toThrow(
      'Expected a URL-encoded key but received "100%.jpg"',
    );
  });

  test('in a message is the same', () => {
    expect(createdObjectsIn({ messageId: 'm', body: JSON.stringify(notification()) })).toEqual([happyFace]);
  });

  test('in a message that is no JSON is an error with the message’s id', () => {
    expect(() => createdObjectsIn({ messageId: '059f36b4', body: 'Test message.' })).toThrow(
      'Expected JSON in message 059f36b4',
    );
  });
});

test('every key comes back from its encoding', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (key) => {
      const form = new URLSearchParams({ key }).toString().slice('key='.length);
      expect(decodeS3Key(form)).toBe(key);
      expect(decodeS3Key(encodeURIComponent(key))).toBe(key);
    }),
  );
});

describe('an event from a queue', () => {
  test('has messages with their ids, bodies and receive counts', () => {
    expect(queueRecords(queueEvent)).toEqual([
      { messageId: '059f36b4-87a3-44ab-83d2-661975830a7d', body: 'Test message.', receiveCount: 1 },
      { messageId: '2e1424d4-f796-459a-8184-9c92662be6da', body: 'Test message.', receiveCount: 3 },
    ]);
  });

  test('is not an S3 notification', () => {
    expect(() => queueRecords(notification())).toThrow('Expected an event from an SQS queue');
  });
});

describe('a batch response', () => {
  test('names the messages that are not done', () => {
    expect(
      batchResponse([
        { messageId: 'a', done: true },
        { messageId: 'b', done: false },
        { messageId: 'c', done: false },
      ]),
    ).toEqual({ batchItemFailures: [{ itemIdentifier: 'b' }, { itemIdentifier: 'c' }] });
  });

  test('is empty when all are done', () => {
    expect(batchResponse([{ messageId: 'a', done: true }])).toEqual({ batchItemFailures: [] });
  });
});

describe('the record of a failed invocation', () => {
  const messageOf = (record: unknown) => ({ messageId: 'm', body: JSON.stringify(record) });

  test('names the objects that the function was invoked for, and what it threw', () => {
    expect(failedInvocation(messageOf(invocationRecord(notification())))).toEqual({
      objects: [happyFace],
      message: expect.stringContaining('Process exited before completing request'),
    });
  });

  test('says why when the function was never tried', () => {
    const record = invocationRecord(notification(), {
      requestContext: { condition: 'EventAgeExceeded', approximateInvokeCount: 0 },
      responseContext: undefined,
      responsePayload: null,
    });
    expect(failedInvocation(messageOf(record)).message).toBe('EventAgeExceeded');
  });

  test('is not a notification itself', () => {
    expect(() => failedInvocation(messageOf(notification()))).toThrow('Expected a record of a failed invocation');
  });
});
