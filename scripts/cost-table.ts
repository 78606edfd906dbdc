import { type Architecture, computeUsd, prices, requestsPerPhoto } from '#pipeline/photo-price.ts';

/** Warm figures of one masked 512x512 photo, from `npm run test:container` (dist/container.json). Processor time on one core. */
export type MeasuredPhoto = {
  readonly checkMs: number;
  readonly unmaskMs: number;
  readonly catalogueMs: number;
  /** Longest start of a function. */
  readonly startMs: number;
};

export type Line = { readonly what: string; readonly usdPerThousand: number };

/** Memory that the functions have by default (infra/settings.ts; catalogue's own). */
const memoryMb = { check: 1769, unmask: 1769, catalogue: 1024 } as const;

/** S3 answers a GET of a photo in about 20 ms and takes a PUT in about 30; the function waits and is billed. */
const waitingMs = { check: 2 * 20 + 10, unmask: 6 * 20 + 2 * 30, catalogue: 20 } as const;

/** A bulk upload: one start of a function serves so many photos, one move of the manifest's pointer so many records. */
const photosPerStart = 100;
const recordsPerMove = 50;

/** A log line for the check and one for the record, with their metrics. */
const logBytes = 4000;

/** The bill for 1,000 photos, each with one masked face, uploaded in bulk. */
export function bill(measured: MeasuredPhoto, architecture: Architecture): readonly Line[] {
  const compute = (name: keyof typeof memoryMb, milliseconds: number) =>
    1000 * computeUsd(milliseconds + waitingMs[name], { memoryMb: memoryMb[name], architecture });
  const { checkMs, unmaskMs, catalogueMs, startMs } = measured;
  const { s3Writes, s3Reads, sqs, invocations } = requestsPerPhoto;
  return [
    { what: 'Lambda, check', usdPerThousand: compute('check', checkMs) },
    { what: 'Lambda, unmask', usdPerThousand: compute('unmask', unmaskMs) },
    { what: 'Lambda, catalogue', usdPerThousand: compute('catalogue', catalogueMs) },
    {
      what: 'Lambda, starts and invocations',
      usdPerThousand:
        (2000 / photosPerStart) * computeUsd(startMs, { memoryMb: memoryMb.unmask, architecture }) +
        1000 * invocations * prices.invocation,
    },
    { what: 'S3, writes', usdPerThousand: 1000 * (s3Writes + 2 / recordsPerMove) * prices.s3Write },
    { what: 'S3, reads', usdPerThousand: 1000 * s3Reads * prices.s3Read },
    { what: 'SQS', usdPerThousand: 1000 * sqs * prices.sqsRequest },
    { what: 'Logs', usdPerThousand: 1000 * (logBytes / 1e9) * prices.logGigabyte },
  ];
}

/** Photos a month before Lambda's free 400,000 GB-seconds are used up. https://aws.amazon.com/lambda/pricing/ */
export function freePhotos({ checkMs, unmaskMs, catalogueMs }: MeasuredPhoto): number {
  const gigabyteSeconds =
    ((checkMs + waitingMs.check) * memoryMb.check +
      (unmaskMs + waitingMs.unmask) * memoryMb.unmask +
      (catalogueMs + waitingMs.catalogue) * memoryMb.catalogue) /
    1000 /
    1024;
  return Math.floor(400_000 / gigabyteSeconds);
}

export const total = (lines: readonly Line[]): number =>
  lines.reduce((sum, { usdPerThousand }) => sum + usdPerThousand, 0);

/** In Markdown, for infra/README.md. */
export function costTable(measured: MeasuredPhoto): string {
  const x86 = bill(measured, 'x86_64');
  const arm = bill(measured, 'arm64');
  const usd = (value: number) => `$${value.toFixed(4)}`;
  const rows = x86.map(
    ({ what, usdPerThousand }, index) =>
      `| ${what} | ${usd(usdPerThousand)} | ${usd(arm[index]?.usdPerThousand ?? 0)} |`,
  );
  return [
    '| per 1,000 photos | x86_64 | arm64 |',
    '|---|--:|--:|',
    ...rows,
    `| **all** | **${usd(total(x86))}** | **${usd(total(arm))}** |`,
  ].join('\n');
}
