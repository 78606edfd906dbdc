import { metricsRecordJsonSchema } from '#pipeline/metrics-record.ts';

export function schema(): void {
  console.log(JSON.stringify(metricsRecordJsonSchema(), null, 2));
}
