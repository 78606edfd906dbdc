import { Crc64NvmeJs } from '@aws-sdk/checksums/crc';
import { S3Client } from '@aws-sdk/client-s3';
import { CreateQueueCommand, GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import type { S3Event } from 'aws-lambda';
import { buildApp } from 'fauxqs';
// The package exports only its server; its stores are needed to know, without waiting, what an object's etag is now.
import { S3Store } from '../../node_modules/fauxqs/dist/s3/s3Store.js';
import { SnsStore } from '../../node_modules/fauxqs/dist/sns/snsStore.js';
import { SqsStore } from '../../node_modules/fauxqs/dist/sqs/sqsStore.js';
import { INVALID_MESSAGE_BODY_CHAR } from '../../node_modules/fauxqs/dist/sqs/sqsTypes.js';
import { createObjectVersions, type Version } from './object-versions.ts';

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
 * front of it and by AWS's documents: conditional writes, notifications, versions and checksums of an object, and listings in the order of UTF-8 bytes
 * (its own pages are ordered by locale and then cut by code unit, so keys get lost between them). SQS takes emoji, and so it does here.
 */
export async function bootFauxqs(): Promise<Fauxqs> {
  const s3Store = new S3Store();
  const app = buildApp({ logger: false, stores: { s3Store, sqsStore: new SqsStore(), snsStore: new SnsStore() } });
  const versionedBuckets = new Map<string, ReturnType<typeof createObjectVersions<StoredVersion>>>();
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
    const versions = versionedBuckets.get(bucket);
    if (key === '') {
      if (request.method === 'GET' && query.versions !== undefined) {
        const all =
          versions?.list() ?? unversioned(s3Store.listObjects(bucket, { maxKeys: Number.POSITIVE_INFINITY }).objects);
        reply.header('content-type', 'application/xml').send(versionListingOf(all, query));
        return;
      }
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
    if (request.method === 'DELETE' && query.versionId) {
      versions?.remove(key, query.versionId);
      const { object } = versions?.find(key) ?? {};
      if (object) s3Store.putObject(bucket, key, object.body, object.contentType, object.metadata);
      else s3Store.deleteObject(bucket, key);
      reply.status(204).header('x-amz-version-id', query.versionId).send();
      return;
    }
    if (['GET', 'HEAD'].includes(request.method) && query.versionId) {
      const version = versions?.find(key, query.versionId)?.object;
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
    const asksChecksum = request.method === 'HEAD' && request.headers['x-amz-checksum-mode'] === 'ENABLED';
    const body = asksChecksum ? currentObject(bucket, key)?.body : undefined;
    if (!body) return done();
    crc64NvmeOf(body).then((checksum) => {
      reply.header('x-amz-checksum-crc64nvme', checksum);
      done();
    }, done);
  });

  app.addHook('onSend', (request, reply, payload, done) => {
    const { bucket, key } = targetOf(request);
    const versions = versionedBuckets.get(bucket ?? '');
    if (versions && bucket !== undefined && key !== '' && reply.statusCode < 300 && !queryOf(request).versionId) {
      if (writesObject(request)) versions.add(key, currentObject(bucket, key));
      if (request.method === 'DELETE') versions.add(key, undefined);
      const { versionId } = versions.find(key) ?? {};
      if (versionId !== undefined) reply.header('x-amz-version-id', versionId);
    }
    if (takeFault(request, 'lost')) request.raw.socket.destroy();
    done(null, payload);
  });

  app.addHook('onResponse', (request, reply, done) => {
    const { bucket, key } = targetOf(request);
    const object = bucket === undefined || key === '' ? undefined : currentObject(bucket, key);
    const versionId = reply.getHeader('x-amz-version-id');
    if (bucket !== undefined && object && writesObject(request) && reply.statusCode === 200) {
      const written =
        typeof versionId === 'string' ? versionedBuckets.get(bucket)?.find(key, versionId)?.object : undefined;
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
      if (options?.versioned) versionedBuckets.set(name, createObjectVersions());
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

/** In one request, or with the last one of a multipart upload. */
function writesObject(request: Requested): boolean {
  const isPart = queryOf(request).uploadId !== undefined;
  return isPart ? request.method === 'POST' : request.method === 'PUT';
}

/** What S3 keeps of every object whose uploader named no other: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html */
async function crc64NvmeOf(body: Uint8Array): Promise<string> {
  const crc = new Crc64NvmeJs();
  crc.update(body);
  return Buffer.from(await crc.digest()).toString('base64');
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

/** A bucket without versions lists each object as its version `null`. */
const unversioned = (objects: readonly StoredVersion[]): readonly Version<StoredVersion>[] =>
  objects
    .map((object) => ({ key: object.key, versionId: 'null', object, at: object.lastModified }))
    .sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html */
function versionListingOf(
  versions: readonly Version<StoredVersion>[],
  query: Readonly<Record<string, string | undefined>>,
): string {
  const { prefix = '', 'key-marker': keyMarker, 'version-id-marker': idMarker, 'max-keys': maxKeys = '1000' } = query;
  const matching = versions.filter(({ key }) => key.startsWith(prefix));
  const marked = matching.findIndex(({ key, versionId }) => key === keyMarker && versionId === idMarker);
  const following = matching.slice(marked + 1);
  const page = following.slice(0, Math.min(Number(maxKeys), 1000));
  const last = page.at(-1);
  const isTruncated = page.length < following.length;
  const keyText = query['encoding-type'] === 'url' ? encodeKey : escapeXml;
  const entries = page.map((version) => {
    const { key, versionId, object, at } = version;
    const isLatest = version === versions.find((other) => other.key === key);
    const facts = `<Key>${keyText(key)}</Key><VersionId>${versionId}</VersionId><IsLatest>${isLatest}</IsLatest><LastModified>${at.toISOString()}</LastModified>`;
    if (!object) return `<DeleteMarker>${facts}</DeleteMarker>`;
    return `<Version>${facts}<ETag>${escapeXml(object.etag)}</ETag><Size>${object.body.length}</Size></Version>`;
  });
  return [
    '<?xml version="1.0" encoding="UTF-8"?><ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
    `<MaxKeys>${maxKeys}</MaxKeys><IsTruncated>${isTruncated}</IsTruncated>`,
    query['encoding-type'] === 'url' ? '<EncodingType>url</EncodingType>' : '',
    isTruncated && last ? `<NextKeyMarker>${keyText(last.key)}</NextKeyMarker>` : '',
    isTruncated && last ? `<NextVersionIdMarker>${last.versionId}</NextVersionIdMarker>` : '',
    ...entries,
    '</ListVersionsResult>',
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
