import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { z } from 'zod';

/** A segment or subsegment as it is sent, with those of its fields that are looked at. https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html */
const documentSchema = z.looseObject({
  id: z.string(),
  name: z.string(),
  trace_id: z.string(),
  parent_id: z.string().optional(),
  type: z.literal('subsegment').optional(),
  annotations: z.record(z.string(), z.unknown()).default({}),
  aws: z.looseObject({ operation: z.string().optional() }).optional(),
});
const nestedSchema = z.looseObject({ subsegments: z.array(z.looseObject({})).default([]) });

export type TraceDocument = z.output<typeof documentSchema>;

export type XrayDaemon = {
  /** For AWS_XRAY_DAEMON_ADDRESS. */
  readonly address: string;
  readonly documents: readonly TraceDocument[];
  /** Waits until so many documents fit. */
  until(count: number, fits: (document: TraceDocument) => boolean): Promise<readonly TraceDocument[]>;
  close(): Promise<void>;
};

/** A document and those inside it: a subsegment that ends last is sent with its parent. */
function flattened(document: unknown): readonly TraceDocument[] {
  const { subsegments, ...rest } = nestedSchema.parse(document);
  const one = documentSchema.parse(rest);
  const within = { trace_id: one.trace_id, parent_id: one.id };
  return [one, ...subsegments.flatMap((subsegment) => flattened({ ...subsegment, ...within }))];
}

/** Takes what functions send to X-Ray's daemon: UDP, a line of header and a JSON document. */
export async function openXrayDaemon(): Promise<XrayDaemon> {
  const documents: TraceDocument[] = [];
  const socket = createSocket('udp4', (message) => {
    const [, document = ''] = message.toString().split('\n');
    documents.push(...flattened(JSON.parse(document)));
    socket.emit('document');
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    address: `127.0.0.1:${socket.address().port}`,
    documents,
    async until(count, fits) {
      for (;;) {
        const found = documents.filter(fits);
        if (found.length >= count) return found;
        await once(socket, 'document');
      }
    },
    async close() {
      socket.close();
      await once(socket, 'close');
    },
  };
}
