import { type Architecture, prices, requestsPerPhoto } from '#pipeline/photo-price.ts';
import { settingsSchema } from '../../infra/settings.ts';

/** Warm figures of one masked 512x512 photo, from `npm run test:container` (dist/container.json): least processor time on one core. */
export type MeasuredPhoto = {
  readonly checkMs: number;
  readonly unmaskMs: number;
  /** One move of the manifest's pointer, shared by its records. */
  readonly catalogueMs: number;
  /** Of unmask, which has the longest. */
  readonly startMs: number;
};

export type BilledMachine = {
  readonly architecture: Architecture;
  /** Of check and unmask. Default: what they have by default. */
  readonly memoryMb?: number;
};

type Name = 'check' | 'unmask' | 'catalogue';
const catalogueMb = 1024;

/** Buys one whole core. With less memory the same work takes in proportion longer and costs as much. */
const wholeCoreMb = 1769;

/** A bulk upload fills batches of jobs; one start of a function serves so many photos, one move of the pointer so many records. */
const { batchSize, unmaskMemoryMb: defaultMb } = settingsSchema.parse({});

export { defaultMb };

const photosPerStart = 100;
const recordsPerMove = 50;

/** SQS hands out and deletes at most ten messages a request. */
const messagesPerRequest = 10;

/** S3 gives a photo in about 20 ms and takes one in about 30, SQS in 10. The function waits, and is billed, while no photo is in work. */
const readMs = 20;
const writeMs = 30;
const sendMs = 10;
const waitingMs = {
  // Record and photo at once, then the job.
  check: readMs + sendMs,
  // Of a batch the first fetch and the last two writes; between them another photo is in work.
  unmask: (readMs + 2 * writeMs) / batchSize,
  // Records, 25 at once; pointer, segments, then the new segment and the pointer.
  catalogue: ((recordsPerMove / 25) * readMs + 2 * readMs + 2 * writeMs) / recordsPerMove,
} as const;

/** Measured in test/wiring: a photo's two lines, the metrics of a batch of jobs, what catalogue says of one move. */
export const logBytes = { photo: 1900, batch: 1800, move: 700 } as const;

/** Lambda traces one invocation a second of each function and 5 % of the others. */
const photosPerSecond = 10;
const tracedShare = (perSecond: number): number => (perSecond < 1 ? 1 : (1 + 0.05 * (perSecond - 1)) / perSecond);
const tracesFor = (photosPerInvocation: number): number =>
  tracedShare(photosPerSecond / photosPerInvocation) / photosPerInvocation;

/** What AWS counts, and takes money for by the piece. */
export type Unit = 'gigabyteSecond' | 'invocation' | 's3Write' | 's3Read' | 'sqsRequest' | 'logGigabyte' | 'trace';

/** One line of a bill: so many units of something. */
export type Usage = { readonly what: string; readonly unit: Unit; readonly units: number };

/** What one photo uses, with one masked face, uploaded in bulk. */
export function photoUsage(measured: MeasuredPhoto, machine: BilledMachine): readonly Usage[] {
  const { memoryMb = defaultMb } = machine;
  const compute = (name: Name): Usage => {
    const megabytes = name === 'catalogue' ? catalogueMb : memoryMb;
    const milliseconds = measured[`${name}Ms`] * Math.max(1, wholeCoreMb / megabytes) + waitingMs[name];
    return { what: `Lambda, ${name}`, unit: 'gigabyteSecond', units: gigabyteSeconds(milliseconds, megabytes) };
  };
  const { s3Writes, s3Reads } = requestsPerPhoto;
  return [
    compute('check'),
    compute('unmask'),
    compute('catalogue'),
    {
      what: 'Lambda, starts',
      unit: 'gigabyteSecond',
      units: (2 / photosPerStart) * gigabyteSeconds(measured.startMs, memoryMb),
    },
    { what: 'Lambda, invocations', unit: 'invocation', units: 1 + 1 / batchSize + 1 / recordsPerMove },
    { what: 'S3, writes', unit: 's3Write', units: s3Writes + 2 / recordsPerMove },
    { what: 'S3, reads', unit: 's3Read', units: s3Reads + 2 / recordsPerMove },
    // The job and S3's notification are sent one by one; both are received and deleted in batches.
    { what: 'SQS', unit: 'sqsRequest', units: 2 + 2 / batchSize + 2 / messagesPerRequest },
    {
      what: 'Logs',
      unit: 'logGigabyte',
      units: (logBytes.photo + logBytes.batch / batchSize + logBytes.move / recordsPerMove) / 1e9,
    },
    { what: 'Traces', unit: 'trace', units: tracesFor(1) + tracesFor(batchSize) + tracesFor(recordsPerMove) },
  ];
}

const gigabyteSeconds = (milliseconds: number, megabytes: number): number => (milliseconds / 1000) * (megabytes / 1024);

/** USD for one unit. */
export const unitPrice = (unit: Unit, architecture: Architecture): number =>
  unit === 'gigabyteSecond' ? prices.gigabyteSecond[architecture] : prices[unit];

export type Line = { readonly what: string; readonly usdPerThousand: number };

/** The bill for 1,000 photos, nothing deducted for free tiers. */
export const bill = (measured: MeasuredPhoto, machine: BilledMachine): readonly Line[] =>
  photoUsage(measured, machine).map(({ what, unit, units }) => ({
    what,
    usdPerThousand: 1000 * units * unitPrice(unit, machine.architecture),
  }));

export const total = (lines: readonly Line[]): number =>
  lines.reduce((sum, { usdPerThousand }) => sum + usdPerThousand, 0);

/**
 * Free every month for good, whatever the age of the account; S3 has nothing of the kind.
 * https://aws.amazon.com/lambda/pricing/ https://aws.amazon.com/sqs/pricing/ https://aws.amazon.com/cloudwatch/pricing/
 * https://aws.amazon.com/xray/pricing/
 */
export const freeUnits: Readonly<Partial<Record<Unit, number>>> = {
  gigabyteSecond: 400_000,
  invocation: 1e6,
  sqsRequest: 1e6,
  logGigabyte: 5,
  trace: 100_000,
};

/** Photos a month before Lambda's free GB-seconds are used up. */
export function freePhotos(measured: MeasuredPhoto, machine: BilledMachine): number {
  const used = photoUsage(measured, machine).filter(({ unit }) => unit === 'gigabyteSecond');
  return Math.floor((freeUnits.gigabyteSecond ?? 0) / used.reduce((sum, { units }) => sum + units, 0));
}
