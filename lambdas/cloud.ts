import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import type { Context } from 'aws-lambda';
import type { Clock } from '#pipeline/ports.ts';
import { businessNamespace, createObserver, metricDimensions } from './observe.ts';
import { annotate, inInvocation } from './tracing.ts';

const logger = new Logger({ serviceName: 'unmask' });
const metrics = new Metrics({ namespace: businessNamespace, serviceName: metricDimensions.service });

const unitOf = { Count: MetricUnit.Count, Milliseconds: MetricUnit.Milliseconds, None: MetricUnit.NoUnit } as const;

/** CloudWatch Logs and EMF metrics, by Powertools for AWS Lambda. */
export const observer = createObserver({
  line: (level, message, fields) => logger[level](message, { ...fields }),
  measure: (name, unit, value) => metrics.addMetric(name, unitOf[unit], value),
  annotate,
});

export const clock: Clock = { now: () => new Date(), milliseconds: () => performance.now() };

/** The route as AWS calls it: metrics are flushed however it ends, and what it throws is in the log and in the trace before AWS has it. */
export function onLambda<Result>(route: (event: unknown, context: Context) => Promise<Result>) {
  return async (event: unknown, context: Context): Promise<Result> => {
    // Not Powertools' whole context: the log group says which function this is, and logs cost as much as compute does.
    logger.appendKeys({ function_request_id: context.awsRequestId });
    try {
      return await inInvocation(context.functionName, () => route(event, context));
    } catch (error) {
      logger.error('failed', error instanceof Error ? error : String(error));
      throw error;
    } finally {
      if (metrics.hasStoredMetrics()) metrics.publishStoredMetrics();
    }
  };
}
