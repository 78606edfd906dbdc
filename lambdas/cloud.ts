import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import { Tracer } from '@aws-lambda-powertools/tracer';
import type { Context } from 'aws-lambda';
import type { Clock } from '#pipeline/ports.ts';
import { createObserver } from './observe.ts';

const logger = new Logger({ serviceName: 'unmask' });
const metrics = new Metrics({ namespace: 'Unmask', serviceName: 'unmask' });
const tracer = new Tracer({ serviceName: 'unmask', captureHTTPsRequests: false });

const unitOf = { Count: MetricUnit.Count, Milliseconds: MetricUnit.Milliseconds, None: MetricUnit.NoUnit } as const;

/** CloudWatch Logs and EMF metrics, by Powertools for AWS Lambda. */
export const observer = createObserver({
  line: (level, message, fields) => logger[level](message, { ...fields }),
  measure: (name, unit, value) => metrics.addMetric(name, unitOf[unit], value),
  annotate: (name, value) => tracer.putAnnotation(name, value),
});

export const clock: Clock = { now: () => new Date(), milliseconds: () => performance.now() };

/** A client whose calls show in the trace; SQS carries the trace on to the next function, so that one trace reaches from upload to record. */
export const traced = <Client>(client: Client): Client => tracer.captureAWSv3Client(client);

/** The route as AWS calls it: metrics are flushed however it ends, and what it throws is in the log and in the trace before AWS has it. */
export function onLambda<Result>(route: (event: unknown, context: Context) => Promise<Result>) {
  return async (event: unknown, context: Context): Promise<Result> => {
    logger.addContext(context);
    // AWS closes the segment of the invocation to annotations; one below it takes them.
    const segment = tracer.getSegment();
    const subsegment = segment?.addNewSubsegment(context.functionName);
    if (subsegment) tracer.setSegment(subsegment);
    tracer.annotateColdStart();
    try {
      return await route(event, context);
    } catch (error) {
      tracer.addErrorAsMetadata(error instanceof Error ? error : new Error(String(error)));
      logger.error('failed', error instanceof Error ? error : String(error));
      throw error;
    } finally {
      if (metrics.hasStoredMetrics()) metrics.publishStoredMetrics();
      subsegment?.close();
      if (segment) tracer.setSegment(segment);
    }
  };
}
