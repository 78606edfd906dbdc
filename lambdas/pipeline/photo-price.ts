/**
 * What AWS takes, us-east-1, November 2026, USD.
 * https://aws.amazon.com/lambda/pricing/ https://aws.amazon.com/s3/pricing/ https://aws.amazon.com/sqs/pricing/
 * https://aws.amazon.com/cloudwatch/pricing/ https://aws.amazon.com/xray/pricing/
 */
export const prices = {
  gigabyteSecond: { x86_64: 0.0000166667, arm64: 0.0000133334 },
  invocation: 0.2 / 1e6,
  /** PUT and LIST. */
  s3Write: 0.005 / 1000,
  /** GET and HEAD. */
  s3Read: 0.0004 / 1000,
  sqsRequest: 0.4 / 1e6,
  logGigabyte: 0.5,
  trace: 5 / 1e6,
  s3GigabyteMonth: 0.023,
  alarmMonth: 0.1,
  metricMonth: 0.3,
} as const;

export type Architecture = keyof typeof prices.gigabyteSecond;

export type Machine = { readonly memoryMb: number; readonly architecture: Architecture };

/** Of one function for so long. */
export function computeUsd(milliseconds: number, { memoryMb, architecture }: Machine): number {
  return (milliseconds / 1000) * (memoryMb / 1024) * prices.gigabyteSecond[architecture];
}

/**
 * Every request for one masked photo that comes alone, its upload too; counted in test/wiring. S3 and a function send one message each,
 * and each is received and deleted; check, unmask and catalogue are invoked.
 */
export const requestsPerPhoto = { s3Writes: 3, s3Reads: 7, sqs: 6, invocations: 3 } as const;

/**
 * What a photo cost: its measured stages on this machine and its requests. Waiting for S3, starts, logs and the photo's
 * share of the manifest come on top (infra/README.md has the whole bill).
 */
export function photoPrice(stagesMs: number, machine: Machine): number {
  const { s3Writes, s3Reads, sqs, invocations } = requestsPerPhoto;
  const requests =
    s3Writes * prices.s3Write + s3Reads * prices.s3Read + sqs * prices.sqsRequest + invocations * prices.invocation;
  return computeUsd(stagesMs, machine) + requests;
}
