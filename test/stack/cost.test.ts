import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import published from '../../infra/measured.json' with { type: 'json' };
import { monthBill } from '../../scripts/stack/month-bill.ts';
import { bill, total } from '../../scripts/stack/photo-bill.ts';
import { runCli } from '../cli/cli.ts';
import { type InProcessAccount, openInProcessAccount } from './in-process-account.ts';

const measured = { checkMs: 970, unmaskMs: 980, catalogueMs: 0, startMs: 1000 };
const month = { photos: 1_000_000, photoMb: 3, faceDays: 30 };

describe('the bill of a month', () => {
  const lines = monthBill(month, measured, { architecture: 'x86_64' });
  const line = (what: string) => lines.find((one) => one.what === what);

  test('a million photos are a thousand thousands', () => {
    expect(line('S3, writes')?.usd).toBeCloseTo(15.2, 6);
    expect(line('S3, writes')?.afterFreeTier).toBeCloseTo(15.2, 6);
  });

  test('what is free is taken off once, over all lines that use it', () => {
    const of = (pick: 'usd' | 'afterFreeTier', names: RegExp) =>
      lines.filter(({ what }) => names.test(what)).reduce((sum, one) => sum + one[pick], 0);
    const compute = /^Lambda, (check|unmask|catalogue|starts)$/;
    expect(of('usd', compute) - of('afterFreeTier', compute)).toBeCloseTo(400_000 * 0.0000166667, 6);
    expect(of('usd', /^SQS/) - of('afterFreeTier', /^SQS/)).toBeCloseTo(0.4, 6);
    expect(of('usd', /^Lambda, invocations/) - of('afterFreeTier', /^Lambda, invocations/)).toBeCloseTo(0.2, 6);
  });

  test('storage is of photos and results, for as long as they are kept', () => {
    expect(line('S3, storage')?.usd).toBeCloseTo(6000 * 0.023, 6);
    const week = monthBill({ ...month, faceDays: 7.5 }, measured, { architecture: 'x86_64' });
    expect(week.find(({ what }) => what === 'S3, storage')?.usd).toBeCloseTo(1500 * 0.023, 6);
  });

  test('more memory than a core costs more, less costs the same work', () => {
    const check = (memoryMb: number) =>
      monthBill(month, measured, { architecture: 'x86_64', memoryMb })[0]?.usd ?? Number.NaN;
    expect(check(3008) / check(1769)).toBeCloseTo(3008 / 1769, 6);
    expect(check(1024) / check(1769)).toBeLessThan(1);
    expect(check(1024) / check(1769)).toBeGreaterThan(0.97);
  });
});

describe('cost', { timeout: 120_000 }, () => {
  test('needs no account, and says what it takes for granted', async () => {
    const anonymous = { AWS_ACCESS_KEY_ID: '', AWS_CONFIG_FILE: '/dev/null', AWS_SHARED_CREDENTIALS_FILE: '/dev/null' };
    const { code, stdout, stderr } = await runCli(['cost', '--photos', '100000', '--architecture', 'arm64'], {
      env: anonymous,
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('100,000 photos a month on arm64, 1769 MB; USD, us-east-1:');
    expect(stdout).toMatch(/│ S3, writes +│ +\$1\.52 │ +\$1\.52 │/);
    expect(stdout).toMatch(/│ Lambda, check +│ +\$0\.\d\d │ +\$0 │/);
  });

  test('--json is one object whose lines add up', async () => {
    const { code, stdout } = await runCli(['cost', '--photos', '250000', '--json']);
    expect(code).toBe(0);
    const told = JSON.parse(stdout);
    expect(told).toMatchObject({ event: 'cost', photos: 250_000, architecture: 'x86_64', memoryMb: 1769 });
    const sum = (name: string) =>
      told.lines.reduce((all: number, one: Record<string, number>) => all + (one[name] ?? 0), 0);
    expect(told.usd).toBeCloseTo(sum('usd'), 9);
    expect(told.afterFreeTier).toBeCloseTo(sum('afterFreeTier'), 9);
    expect(told.usdPerThousand).toBeLessThan(0.03);
  });

  test.each([
    [['--photos', '0'], 'Expected a whole number of 1 or more but received 0.'],
    [['--memory', '512'], 'Expected --memory from 1024 to 3008 but received 512'],
    [['--photo-mb', '-1'], 'Expected a number above 0 but received -1.'],
    [['--architecture', 'arm'], 'Allowed choices are x86_64, arm64.'],
  ])('%j is refused as wrong usage', async (flags, sentence) => {
    const { code, stderr } = await runCli(['cost', ...flags]);
    expect(code).toBe(2);
    expect(stderr).toContain(sentence);
  });
});

describe('cost --actual', { timeout: 120_000 }, () => {
  let account: InProcessAccount;
  beforeAll(async () => {
    account = await openInProcessAccount();
  }, 60_000);
  afterAll(() => account.close());
  const actual = (...args: readonly string[]) => runCli(['cost', '--actual', ...args], { env: { ...account.env } });

  test('where nothing was measured it says so, and that is no failure', async () => {
    const { code, stdout } = await actual('--since', '7d');
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^CloudWatch has no photos of stack Unmask in us-east-1 since \d{4}-.*--since 90d looks further back\.\n$/,
    );
    expect(JSON.parse((await actual('--json')).stdout)).toMatchObject({
      event: 'actual-cost',
      photos: 0,
      usd: 0,
      stages: [],
    });
  });

  test('adds up what the functions measured, page after page', async () => {
    const asked: MetricRequest[] = [];
    account.onCloudWatch('GetMetricData', (input) => {
      const request = requestSchema.parse(input);
      asked.push(request);
      const page = request.NextToken === undefined ? 1 : 2;
      return {
        ...(page === 1 && { NextToken: 'more' }),
        MetricDataResults: request.MetricDataQueries.map(({ Id, MetricStat: { Metric, Stat } }) => ({
          Id,
          StatusCode: page === 1 ? 'PartialData' : 'Complete',
          Values: figures[`${Metric.MetricName} ${Stat}`]?.map((value) => value / 2) ?? [],
        })),
      };
    });
    const { code, stdout, stderr } = await actual('--since', '2d', '--json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const told = JSON.parse(stdout);
    expect(told).toMatchObject({
      photos: 1500,
      counts: { unmasked: 1200, bare: 300, 'no-face': 0, rejected: 0, failed: 0 },
      facesUnmasked: 1300,
      stages: [{ stage: 'unmaskMs', photos: 1200, meanMs: 80 }],
    });
    expect(told.usd).toBeCloseTo(0.03, 9);
    expect(told.estimatedUsd).toBeCloseTo(1.5 * total(bill(published, { architecture: 'x86_64' })), 6);
    expect(asked[0]?.MetricDataQueries[0]?.MetricStat).toEqual({
      Metric: {
        Namespace: 'Unmask',
        MetricName: 'PhotosUnmasked',
        Dimensions: [{ Name: 'service', Value: 'unmask' }],
      },
      Period: 300,
      Stat: 'Sum',
    });
    const table = (await actual()).stdout;
    expect(table).toMatch(/│ photos +│ +1,500 │/);
    expect(table).toMatch(/│ unmask +│ +1,200 │ +80 ms │/);
  });

  test('what is wrong is one sentence', async () => {
    expect(await actual('--since', 'tomorrow')).toMatchObject({
      code: 2,
      stderr: 'error: Expected a time in the past, 45m, 12h, 30d or 2026-11-01, but received "tomorrow".\n',
    });
    expect(await actual('--stack', 'None')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('There is no stack None'),
    });
    account.refuse('CloudWatch.GetMetricData', {
      status: 403,
      code: 'AccessDenied',
      message: 'not authorized to perform: cloudwatch:GetMetricData',
    });
    expect(await actual()).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^error: AWS denies access: .*cloudwatch:GetMetricData.*\n$/),
    });
  });
});

const figures: Readonly<Record<string, readonly number[]>> = {
  'PhotosUnmasked Sum': [200, 1000],
  'PhotosBare Sum': [300],
  'FacesUnmasked Sum': [1300],
  'CostUsd Sum': [0.02, 0.01],
  'unmaskMs Sum': [96_000],
  'unmaskMs SampleCount': [1200],
};

const requestSchema = z.object({
  NextToken: z.string().optional(),
  MetricDataQueries: z.array(
    z.object({
      Id: z.string(),
      MetricStat: z.looseObject({ Metric: z.looseObject({ MetricName: z.string() }), Stat: z.string() }),
    }),
  ),
});
type MetricRequest = z.infer<typeof requestSchema>;
