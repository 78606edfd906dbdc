import { z } from 'zod';

const flag = () => z.union([z.boolean(), z.stringbool()]);
const whole = (from: number, to: number) => z.coerce.number().int().min(from).max(to);

/**
 * Every knob of the cloud, with its default and the reason for it. Set one with `npm run deploy -- -c faceDays=7`, or for good under
 * `context` in cdk.json. The table in infra/README.md is made from this.
 */
export const settingsSchema = z
  .strictObject({
    faceDays: whole(1, 3650)
      .default(30)
      .describe(
        'Days until photos, references and unmasked photos are deleted. Faces should not pile up; a month is enough to fetch them.',
      ),
    throwAway: flag()
      .default(false)
      .describe(
        '`true`: `npm run destroy` deletes the buckets with everything in them. By default they stay, so that nothing is destroyed by surprise.',
      ),
    encryption: z
      .enum(['s3', 'kms'])
      .default('s3')
      .describe(
        'Key of the buckets: S3-managed and free, or `kms`: your own key, rotated yearly, with bucket keys ($1 a month).',
      ),
    architecture: z
      .enum(['x86_64', 'arm64'])
      .default('x86_64')
      .describe(
        'Of the functions. Default: that of the machine that deploys, because its builder makes that without emulation. arm64 costs 20 % less a second.',
      ),
    model: z
      .string()
      .regex(/^[a-z0-9-]+$/)
      .default('rescnn')
      .describe(
        'Unmasker, a name in models/models.json. A new model is a new job: the same upload may be unmasked again.',
      ),
    denoise: z
      .enum(['region', 'photo', 'off'])
      .default('region')
      .describe('What the first stage cleans when a photo is noisy. `region` changes no pixel outside the mask.'),
    maxMegapixels: whole(1, 80)
      .default(50)
      .describe('Larger photos are rejected from their header; 50 MP decoded are 150 MB, held several times over.'),
    checkMemoryMb: whole(1024, 3008)
      .default(1769)
      .describe('1,769 MB buys one whole vCPU; 3,008 is all that a new account gives.'),
    unmaskMemoryMb: whole(1024, 3008)
      .default(1769)
      .describe('As above; the networks run on one thread, so more memory buys little time.'),
    checkTimeoutSeconds: whole(10, 900)
      .default(60)
      .describe('A 50 MP photo is checked in a few seconds; ten times that means that something hangs.'),
    unmaskTimeoutSeconds: whole(30, 900)
      .default(120)
      .describe('For a whole batch. A job is hidden for six times this, as AWS advises for event sources.'),
    timeGuardSeconds: whole(5, 300)
      .default(30)
      .describe(
        'With less than this left, jobs of a batch that were not started go back to the queue: longer than the two slowest photos.',
      ),
    batchSize: whole(1, 10)
      .default(4)
      .describe('Jobs for one invocation. Small: a crash sends back few photos; a batch still shares one start.'),
    maxConcurrency: whole(2, 1000)
      .default(4)
      .describe(
        'Unmask functions at once. A new account has 10 executions in all, and the others need some. AWS allows no less than 2.',
      ),
    maxReceiveCount: whole(1, 100)
      .default(5)
      .describe('Tries before a job becomes a dead letter and its photo `failed`.'),
    reconcileHours: whole(1, 168)
      .default(6)
      .describe('How often uploads without a record are looked for and checked again. One LIST for each 1,000 photos.'),
    logDays: z.coerce
      .number()
      .pipe(
        z.union([
          z.literal(1),
          z.literal(3),
          z.literal(7),
          z.literal(14),
          z.literal(30),
          z.literal(90),
          z.literal(365),
        ]),
      )
      .default(30)
      .describe(
        'Retention of function logs and of S3 access logs (which hold keys), in the steps that CloudWatch has.',
      ),
    oldestJobMinutes: whole(5, 1440)
      .default(60)
      .describe('Alarm when a job waits longer: more photos arrive than maxConcurrency can take.'),
    email: z
      .union([z.literal(''), z.email()])
      .default('')
      .describe(
        'Alarms are mailed here, once you have confirmed the first message. Empty: they only show on the dashboard.',
      ),
    monthlyBudgetUsd: z.coerce
      .number()
      .min(0)
      .default(0)
      .describe(
        'Mail at 80 % of this and when it is forecast to be passed (whole account; needs `email`). 0: no budget.',
      ),
  })
  .refine(({ timeGuardSeconds, unmaskTimeoutSeconds }) => timeGuardSeconds < unmaskTimeoutSeconds, {
    path: ['timeGuardSeconds'],
    message: 'Expected less than unmaskTimeoutSeconds: no job would ever be started.',
  })
  .refine(({ monthlyBudgetUsd, email }) => monthlyBudgetUsd === 0 || email !== '', {
    path: ['monthlyBudgetUsd'],
    message: 'Expected `email` too: a budget needs somebody to tell.',
  });

export type Settings = Readonly<z.output<typeof settingsSchema>>;

/** Context that the CDK itself puts beside ours. */
const notOurs = /^(@|aws:|aws-cdk|cli-telemetry$|cdk[-:]|availability-zones|hosted-zone|ami:|tree$)/;

/**
 * Settings from the CDK context. Text from the command line is taken as the number or flag that it spells.
 * @throws Error when a setting is unknown or out of its range.
 */
export function readSettings(context: Readonly<Record<string, unknown>>, machine: string = process.arch): Settings {
  const given = Object.fromEntries(Object.entries(context).filter(([key]) => !notOurs.test(key)));
  const architecture = machine === 'arm64' ? 'arm64' : 'x86_64';
  const parsed = settingsSchema.safeParse({ architecture, ...given });
  if (!parsed.success) throw new Error(`Expected valid settings but received:\n${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

/** The settings as a Markdown table, for infra/README.md. */
export function settingsTable(): string {
  const rows = Object.entries(settingsSchema.shape).map(([name, schema]) => {
    const value = schema.parse(undefined);
    const shown = name === 'architecture' ? 'this machine’s' : value === '' ? 'none' : String(value);
    return `| \`${name}\` | ${shown} | ${schema.description} |`;
  });
  return ['| setting | default | why |', '|---|---|---|', ...rows].join('\n');
}
