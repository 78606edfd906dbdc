import type { IncomingMessage } from 'node:http';
import type { Asked } from './authorise.ts';

/** Every TLS condition holds: the emulators are on this machine. */
const always = { 'aws:SecureTransport': 'true', 's3:TlsVersion': '1.3' };
const account = 'us-east-1:000000000000';

/** What a request to S3 (path style), SQS or Lambda asks for, in IAM's words; all of it must be allowed. */
export function asksFor(request: IncomingMessage, body: Buffer): readonly Asked[] {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
  const invoked = /^\/2015-03-31\/functions\/([^/]+)\/invocations$/.exec(pathname)?.[1];
  if (invoked !== undefined) {
    return [
      { action: 'lambda:InvokeFunction', resource: `arn:aws:lambda:${account}:function:${invoked}`, context: always },
    ];
  }
  const target = request.headers['x-amz-target'];
  if (typeof target === 'string') {
    const queue = String(JSON.parse(body.toString()).QueueUrl).split('/').at(-1);
    const action = `sqs:${target.split('.')[1]?.replace(/Batch$/, '')}`;
    return [{ action, resource: `arn:aws:sqs:${account}:${queue}`, context: always }];
  }
  const [, bucket = '', ...parts] = pathname.split('/').map(decodeURIComponent);
  const bucketArn = `arn:aws:s3:::${bucket}`;
  const resource = `${bucketArn}/${parts.join('/')}`;
  if (parts.join('/') === '') {
    return [
      {
        action: 's3:ListBucket',
        resource: bucketArn,
        context: { ...always, 's3:prefix': searchParams.get('prefix') ?? '' },
      },
    ];
  }
  const get = {
    action: searchParams.has('versionId') ? 's3:GetObjectVersion' : 's3:GetObject',
    resource,
    context: always,
  };
  switch (request.method) {
    case 'GET':
    case 'HEAD':
      return [get];
    case 'DELETE':
      return [{ action: 's3:DeleteObject', resource, context: always }];
    case 'PUT': {
      const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch } = request.headers;
      const context = {
        ...always,
        's3:ObjectCreationOperation': 'true',
        ...(ifMatch !== undefined && { 's3:if-match': ifMatch }),
        ...(ifNoneMatch !== undefined && { 's3:if-none-match': ifNoneMatch }),
      };
      // To compare etags is to read. https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
      return [{ action: 's3:PutObject', resource, context }, ...(ifMatch === undefined ? [] : [get])];
    }
    default:
      throw new Error(`Expected a request that the functions make but received ${request.method} ${pathname}.`);
  }
}
