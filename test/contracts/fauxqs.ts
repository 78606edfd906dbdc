import { randomUUID } from 'node:crypto';
import { S3Client } from '@aws-sdk/client-s3';
import { CreateQueueCommand, GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import type { S3Event } from 'aws-lambda';
import { buildApp } from 'fauxqs';
// The package exports only its server; its stores are needed to know, without waiting, what an object's etag is now.
import { S3Store } from '../../node_modules/fauxqs/dist/s3/s3Store.js';
import { SnsStore } from '../../node_modules/fauxqs/dist/sns/snsStore.js';
import { SqsStore } from '../../node_modules/fauxqs/dist/sqs/sqsStore.js';
import { INVALID_MESSAGE_BODY_CHAR } from '../../node_modules/fauxqs/dist/sqs/sqsTypes.js';

export type QueueSettings = {
  readonly visibilitySeconds?: number;
  /** Both or none. `deadLetterUrl` is the URL of a queue of this server. */
  readonly maxReceiveCount?: number;
  readonly deadLetterUrl?: string;
};

export type Fault = {
  /** Which requests: `PUT` and so on for S3, the action (`SendMessage`) for SQS. */
  readonly request: string;
  /** Either an answer instead of the request's own, or none: the request is carried out, and then the connection breaks. */
  readonly answer: { readonly status: number; readonly code: string } | 'lost';
};

export type Fauxqs = {
  readonly endpoint: string;
  readonly s3: S3Client;
  readonly sqs: SQSClient;
  createBucket(name: string, options?: { readonly versioned?: boolean }): void;
  /** The URL of a new queue. */
  createQueue(name: string, settings?: QueueSettings): Promise<string>;
  /** Told of every object written to any bucket, as S3 would tell: after the answer to the writer. The answer unsubscribes. */
  onObjectCreated(listener: (event: S3Event) => void): () => void;
  /** The next request of that kind fails so; call it again for one more. */
  failNext(fault: Fault): void;
  close(): Promise<void>;
};

/**
 * S3 and SQS within this process, on 127.0.0.1 and a free port. fauxqs does not do everything that the pipeline rests on; this adds, in
 * front of it and by AWS's documents: conditional writes, notifications, versions of an object, and listings in the order of UTF-8 bytes
 * (its own pages are ordered by locale and then cut by code unit, so keys get lost between them). SQS takes emoji, and so it does here.
 */
export async function bootFauxqs(): Promise<Fauxqs> {
  const s3Store = new S3Store();
  const app = buildApp({ logger: false, stores: { s3Store, sqsStore: new SqsStore(), snsStore: new SnsStore() } });
  const versionedBuckets = new Set<string>();
  const versions = new Map<string, StoredVersion>();
  const currentVersions = new Map<string, string>(); // by bucket/key
  const listeners = new Set<(event: S3Event) => void>();
  const faults: Fault[] = [];
  let writes = 0;

  function currentObject(bucket: string, key: string): StoredVersion | undefined {
    try {
      return s3Store.getObject(bucket, key);
    } catch {
      return undefined;
    }
  }

  function takeFault(request: Requested, answer: 'answered' | 'lost'): Fault | undefined {
    const names = [request.method, String(request.headers['x-amz-target'] ?? '').split('.')[1]];
    const index = faults.findIndex(
      (fault) => names.includes(fault.request) && (fault.answer === 'lost') === (answer === 'lost'),
    );
    return index < 0 ? undefined : faults.splice(index, 1)[0];
  }

  // Callback hooks and fauxqs's handlers run without a break from here to the write, so checking and writing are one step.
  app.addHook('preHandler', (request, reply, done) => {
    const refuse = (status: number, code: string): void => {
      reply
        .status(status)
        .header('content-type', 'application/xml')
        .send(`<Error><Code>${code}</Code><Message>${code}</Message></Error>`);
    };
    const fault = takeFault(request, 'answered');
    if (fault !== undefined && fault.answer !== 'lost') return refuse(fault.answer.status, fault.answer.code);

    const { bucket, key } = targetOf(request);
    const query = queryOf(request);
    if (bucket === undefined || !s3Store.hasBucket(bucket)) return done();
    if (key === '') {
      if (request.method !== 'GET' || query['list-type'] !== '2' || query.delimiter) return done();
      const { objects } = s3Store.listObjects(bucket, { maxKeys: Number.POSITIVE_INFINITY });
      reply.header('content-type', 'application/xml').send(listingOf(objects, query));
      return;
    }

    if (request.method === 'PUT') {
      const { 'if-none-match': ifNoneMatch, 'if-match': ifMatch } = request.headers;
      const current = currentObject(bucket, key);
      if (ifNoneMatch === '*' && current) return refuse(412, 'PreconditionFailed');
      if (ifMatch !== undefined && !current) return refuse(404, 'NoSuchKey');
      if (ifMatch !== undefined && ifMatch !== current?.etag) return refuse(412, 'PreconditionFailed');
      return done();
    }
    if (['GET', 'HEAD'].includes(request.method) && query.versionId) {
      const version = versions.get(`${bucket}/${key}#${query.versionId}`);
      if (version === undefined) return refuse(404, 'NoSuchVersion');
      reply
        .header('etag', version.etag)
        .header('last-modified', version.lastModified.toUTCString())
        .header('content-type', version.contentType)
        .header('content-length', version.body.length)
        .header('x-amz-version-id', query.versionId)
        .send(request.method === 'HEAD' ? undefined : version.body);
      return;
    }
    done();
  });

  app.addHook('onSend', (request, reply, payload, done) => {
    const { bucket, key } = targetOf(request);
    if (bucket !== undefined && key !== '' && versionedBuckets.has(bucket) && reply.statusCode < 300) {
      const place = `${bucket}/${key}`;
      const written = request.method === 'PUT' ? currentObject(bucket, key) : undefined;
      if (written) {
        const versionId = randomUUID();
        versions.set(`${place}#${versionId}`, written);
        currentVersions.set(place, versionId);
      }
      if (request.method === 'DELETE') currentVersions.delete(place);
      const versionId = currentVersions.get(place);
      if (versionId !== undefined && !reply.hasHeader('x-amz-version-id')) reply.header('x-amz-version-id', versionId);
    }
    if (takeFault(request, 'lost')) request.raw.socket.destroy();
    done(null, payload);
  });

  app.addHook('onResponse', (request, reply, done) => {
    const { bucket, key } = targetOf(request);
    const object = bucket === undefined || key === '' ? undefined : currentObject(bucket, key);
    const versionId = reply.getHeader('x-amz-version-id');
    if (bucket !== undefined && object && request.method === 'PUT' && reply.statusCode === 200) {
      const written = typeof versionId === 'string' ? versions.get(`${bucket}/${key}#${versionId}`) : undefined;
      const created = {
        ...(written ?? object),
        bucket,
        sequencer: (++writes).toString(16).padStart(18, '0').toUpperCase(),
      };
      const event = creationEvent(typeof versionId === 'string' ? { ...created, versionId } : created);
      for (const listener of [...listeners]) listener(event);
    }
    done();
  });

  const endpoint = await app.listen({ host: '127.0.0.1', port: 0 });
  const connection = { endpoint, region, credentials: { accessKeyId: 'test', secretAccessKey: 'test' } };
  const s3 = new S3Client({ ...connection, forcePathStyle: true });
  const sqs = new SQSClient(connection);

  return {
    endpoint,
    s3,
    sqs,

    createBucket(name, options) {
      s3Store.createBucket(name);
      if (options?.versioned) versionedBuckets.add(name);
    },

    async createQueue(name, { visibilitySeconds = 30, maxReceiveCount, deadLetterUrl } = {}) {
      const redrive = deadLetterUrl && {
        RedrivePolicy: JSON.stringify({ deadLetterTargetArn: await arnOf(sqs, deadLetterUrl), maxReceiveCount }),
      };
      const Attributes = { VisibilityTimeout: String(visibilitySeconds), ...(redrive || {}) };
      const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: name, Attributes }));
      if (QueueUrl === undefined) throw new Error(`Expected a URL for queue ${name}`);
      return QueueUrl;
    },

    onObjectCreated(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },

    failNext(fault) {
      faults.push(fault);
    },

    async close() {
      s3.destroy();
      sqs.destroy();
      await app.close();
    },
  };
}

const region = 'us-east-1';

/** As SQS has it: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html. fauxqs forgets `u`. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones that SQS takes.
const invalidCharacter = /[^\x09\x0A\x0D\x20-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u;
INVALID_MESSAGE_BODY_CHAR.test = (body) => invalidCharacter.test(body);

async function arnOf(sqs: SQSClient, url: string): Promise<string | undefined> {
  const { Attributes } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['QueueArn'] }));
  return Attributes?.QueueArn;
}

type StoredVersion = ReturnType<S3Store['getObject']>;

type Requested = {
  readonly method: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly params: unknown;
  readonly query: unknown;
};

/** `key` is '' for requests about the bucket, `bucket` undefined for SQS. */
function targetOf({ params }: Requested): { readonly bucket?: string; readonly key: string } {
  const { bucket, '*': key = '' } = params as { readonly bucket?: string; readonly '*'?: string };
  return bucket === undefined ? { key } : { bucket, key };
}

function queryOf({ query }: Requested): Readonly<Record<string, string | undefined>> {
  return query as Record<string, string>;
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html */
function listingOf(objects: readonly StoredVersion[], query: Readonly<Record<string, string | undefined>>): string {
  const { prefix = '', 'continuation-token': token, 'max-keys': maxKeys = '1000', 'encoding-type': encoding } = query;
  const after = Buffer.from(token ?? '', 'base64url');
  const following = objects
    .map((object) => ({ ...object, bytes: Buffer.from(object.key) }))
    .filter(({ key, bytes }) => key.startsWith(prefix) && (token === undefined || Buffer.compare(bytes, after) > 0))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes));
  const page = following.slice(0, Math.min(Number(maxKeys), 1000));
  const last = page.at(-1);
  const isTruncated = page.length < following.length;
  const contents = page.map(
    ({ key, etag, body, lastModified }) =>
      `<Contents><Key>${encoding === 'url' ? encodeKey(key) : escapeXml(key)}</Key><LastModified>${lastModified.toISOString()}` +
      `</LastModified><ETag>${escapeXml(etag)}</ETag><Size>${body.length}</Size><StorageClass>STANDARD</StorageClass></Contents>`,
  );
  return [
    '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
    `<KeyCount>${page.length}</KeyCount><MaxKeys>${maxKeys}</MaxKeys><IsTruncated>${isTruncated}</IsTruncated>`,
    encoding === 'url' ? '<EncodingType>url</EncodingType>' : '',
    isTruncated && last ? `<NextContinuationToken>${last.bytes.toString('base64url')}</NextContinuationToken>` : '',
    ...contents,
    '</ListBucketResult>',
  ].join('');
}

/** As in notifications and listings: like a form, slashes left alone. */
function encodeKey(key: string): string {
  return encodeURIComponent(key).replaceAll('%2F', '/').replaceAll('%20', '+');
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

type Created = Pick<StoredVersion, 'key' | 'etag' | 'body'> & {
  readonly bucket: string;
  readonly sequencer: string;
  readonly versionId?: string;
};

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html */
function creationEvent({ bucket, key, etag, body, sequencer, versionId }: Created): S3Event {
  return {
    Records: [
      {
        eventVersion: '2.1',
        eventSource: 'aws:s3',
        awsRegion: region,
        eventTime: new Date().toISOString(),
        eventName: 'ObjectCreated:Put',
        userIdentity: { principalId: 'AIDAJDPLRKLG7UEXAMPLE' },
        requestParameters: { sourceIPAddress: '127.0.0.1' },
        responseElements: {
          'x-amz-request-id': 'C3D13FE58DE4C810',
          'x-amz-id-2': 'FMyUVURIY8/IgAtTv8xRjskZQpcIZ9KG4V5Wp6S7S/JRWeUWerMUE5JgHvANOjpD',
        },
        s3: {
          s3SchemaVersion: '1.0',
          configurationId: 'created',
          bucket: { name: bucket, ownerIdentity: { principalId: 'A3NL1KOZZKExample' }, arn: `arn:aws:s3:::${bucket}` },
          object: {
            key: encodeKey(key),
            size: body.length,
            eTag: etag.replaceAll('"', ''),
            sequencer,
            ...(versionId === undefined ? {} : { versionId }),
          },
        },
      },
    ],
  };
}
