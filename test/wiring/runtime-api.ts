import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export type RuntimeApi = {
  /** For AWS_LAMBDA_RUNTIME_API. */
  readonly host: string;
  /** Resolves when the function asks for its first event: it has started. */
  readonly ready: Promise<void>;
  /** @throws Error with the function's message when it throws, or could not start. */
  invoke(event: unknown, options: { readonly functionArn: string; readonly timeoutSeconds: number }): Promise<unknown>;
  close(): Promise<void>;
};

type Invocation = {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly settle: (answer: { readonly result: unknown } | { readonly error: string }) => void;
};

/** The side of Lambda that a runtime interface client talks to. https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html */
export async function openRuntimeApi(): Promise<RuntimeApi> {
  const waiting: Invocation[] = [];
  const given = new Map<string, Invocation>();
  let asking: ServerResponse | undefined;
  let brokenInit: string | undefined;
  const { promise: ready, resolve: isReady } = Promise.withResolvers<void>();

  function hand(): void {
    if (!asking || asking.destroyed) return;
    const invocation = waiting.shift();
    if (!invocation) return;
    given.set(invocation.headers['Lambda-Runtime-Aws-Request-Id'] ?? '', invocation);
    asking.writeHead(200, { 'content-type': 'application/json', ...invocation.headers }).end(invocation.body);
    asking = undefined;
  }
  function failAll(error: string): void {
    brokenInit = error;
    for (const { settle } of [...waiting.splice(0), ...given.values()]) settle({ error });
    isReady();
  }

  const server = createServer(async (request, response) => {
    const path = (request.url ?? '').replace('/2018-06-01/runtime', '');
    if (request.method === 'GET' && path === '/invocation/next') {
      asking = response;
      isReady();
      return hand();
    }
    const body = await text(request);
    const [, id, what] = /^\/invocation\/([^/]+)\/(response|error)$/.exec(path) ?? [];
    if (path === '/init/error') failAll(body);
    else if (id === undefined) return response.writeHead(404).end();
    else if (what === 'response') given.get(id)?.settle({ result: body === '' ? undefined : JSON.parse(body) });
    else given.get(id)?.settle({ error: JSON.parse(body).errorMessage });
    if (id !== undefined) given.delete(id);
    response.writeHead(202, { 'content-type': 'application/json' }).end('{"status":"OK"}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  return {
    host: `127.0.0.1:${port}`,
    ready,
    invoke(event, { functionArn, timeoutSeconds }) {
      if (brokenInit !== undefined) return Promise.reject(new Error(brokenInit));
      return new Promise((resolve, reject) => {
        waiting.push({
          body: JSON.stringify(event),
          headers: {
            'Lambda-Runtime-Aws-Request-Id': randomUUID(),
            'Lambda-Runtime-Deadline-Ms': String(Date.now() + timeoutSeconds * 1000),
            'Lambda-Runtime-Invoked-Function-Arn': functionArn,
            'Lambda-Runtime-Trace-Id': 'Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0',
          },
          settle: (answer) => ('error' in answer ? reject(new Error(answer.error)) : resolve(answer.result)),
        });
        hand();
      });
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
