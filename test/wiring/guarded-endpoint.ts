import { createServer, request as forward, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { maxKeyBytes } from '#pipeline/photo.ts';
import { asksFor } from './asked.ts';
import { isAllowed } from './authorise.ts';
import type { Statement } from './cloud-plan.ts';

export type GuardedEndpoint = {
  readonly endpoint: string;
  /** What was refused, in lines to read: a grant that the template lacks. */
  readonly refused: readonly string[];
  /** Requests of all functions so far, by action and prefix: `s3:GetObject metrics/`. */
  readonly requests: Readonly<Record<string, number>>;
  close(): Promise<void>;
};

export type GuardedEndpointProps = {
  /** Where S3 and SQS are. */
  readonly upstream: () => string;
  /** What each access key may do: every function signs with a key of its own. */
  readonly statementsOf: (accessKey: string) => readonly Statement[];
  /** What is out of order today: requests that AWS refuses although they are granted. */
  readonly isBroken: (accessKey: string, resource: string) => boolean;
  /** Hears of every request to SQS that carries a trace. */
  readonly onTraced: (body: string, traceHeader: string) => void;
  /** Takes asynchronous invocations. */
  readonly invoke: (functionName: string, event: unknown) => void;
};

/**
 * Stands between the functions and the emulators and refuses, as AWS would, what the template does not grant: 403, and 403 in place of
 * 404 for those who may not list the bucket.
 */
export async function openGuardedEndpoint({
  upstream,
  statementsOf,
  isBroken,
  onTraced,
  invoke,
}: GuardedEndpointProps): Promise<GuardedEndpoint> {
  const refused: string[] = [];
  const requests: Record<string, number> = {};

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(request);
    const accessKey = /Credential=([^/]+)\//.exec(request.headers.authorization ?? '')?.[1] ?? 'nobody';
    const statements = statementsOf(accessKey);
    const asked = asksFor(request, body);
    if (asked.some(({ resource }) => isBroken(accessKey, resource))) return refuse(request, response);
    const [first] = asked;
    const kind = `${first?.action} ${first?.resource
      .split('/')
      .slice(1, 2)
      .map((prefix) => `${prefix}/`)
      .join('')}`.trim();
    requests[kind] = (requests[kind] ?? 0) + 1;
    const key = first?.resource.split('/').slice(1).join('/') ?? '';
    if (Buffer.byteLength(key) > maxKeyBytes) {
      refused.push(`${accessKey} ${kind}: a key of ${Buffer.byteLength(key)} bytes`);
      return refuse(request, response, { status: 400, code: 'KeyTooLongError' });
    }
    const denied = asked.find((one) => !isAllowed(one, statements));
    if (denied) {
      refused.push(`${accessKey} ${denied.action} ${denied.resource}`);
      return refuse(request, response);
    }
    const traceHeader = request.headers['x-amzn-trace-id'];
    if (request.headers['x-amz-target'] !== undefined && typeof traceHeader === 'string')
      onTraced(body.toString(), traceHeader);
    const invoked = asked[0]?.action === 'lambda:InvokeFunction' ? asked[0].resource.split(':').at(-1) : undefined;
    if (invoked !== undefined) {
      invoke(invoked, JSON.parse(body.toString()));
      response.writeHead(202).end();
      return;
    }
    const answered = forward(
      `${upstream()}${request.url}`,
      { method: request.method, headers: request.headers },
      (answer) => {
        const resource = asked[0]?.resource ?? '';
        const bucketArn = resource.split('/')[0] ?? '';
        const may = isAllowed(
          { action: 's3:ListBucket', resource: bucketArn, context: { 'aws:SecureTransport': 'true' } },
          statements,
        );
        if (answer.statusCode === 404 && bucketArn.startsWith('arn:aws:s3') && !may) {
          answer.resume();
          refused.push(`${accessKey} s3:ListBucket ${bucketArn} (404 was asked for)`);
          return refuse(request, response);
        }
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      },
    );
    answered.on('error', () => response.destroy());
    answered.end(body);
  }

  const server = createServer((request, response) => {
    serve(request, response).catch((error) => {
      refused.push(String(error));
      response.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    refused,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

type Refusal = { readonly status: number; readonly code: string };

function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  { status, code }: Refusal = { status: 403, code: 'AccessDenied' },
): void {
  const json = request.headers['x-amz-target'] !== undefined;
  const body = json
    ? JSON.stringify({ __type: 'com.amazonaws.sqs#AccessDeniedException', message: 'Access denied' })
    : `<Error><Code>${code}</Code><Message>${code}</Message></Error>`;
  response.writeHead(status, { 'content-type': json ? 'application/x-amz-json-1.0' : 'application/xml' });
  response.end(request.method === 'HEAD' ? undefined : body);
}
