import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createdObjects } from '#aws/events.ts';
import type { MetricsRecord } from '#pipeline/metrics-record.ts';
import { metricsKey } from '#pipeline/photo.ts';
import { lineFrom, runCli, startCli } from '../cli/cli.ts';
import { type InProcessAccount, openInProcessAccount } from './in-process-account.ts';
import { record, recordFor, resultsOf, upload } from './stored-photos.ts';

const dead = {
  status: 'failed',
  reason: { code: 'dead-letter', message: 'Unmasking failed again and again.' },
} as const;
const broken = { status: 'failed', reason: { code: 'internal', message: 'The check failed: out of\nmemory' } } as const;

let account: InProcessAccount;
let versions: Record<string, string>;
beforeAll(async () => {
  account = await openInProcessAccount();
  const names = ['a+b ü.jpg', 'broken.jpg', 'fine.jpg', 'mended.jpg', 'gone.jpg'];
  versions = {};
  for (const name of names) if (name !== 'gone.jpg') versions[name] = await upload(account, `photos/${name}`);
  const of = (name: string, ending: object) => recordFor(`photos/${name}`, versions[name] ?? 'expired', ending);
  await record(
    account,
    of('a+b ü.jpg', dead),
    of('broken.jpg', broken),
    of('fine.jpg', {}),
    of('mended.jpg', dead),
    of('gone.jpg', dead),
  );
  // The manifest does not know it yet.
  await resultsOf(account).put(metricsKey('photos/mended.jpg'), Buffer.from(JSON.stringify(of('mended.jpg', {}))));
}, 60_000);
afterAll(() => account.close());

const redrive = (...args: readonly string[]) => runCli(['redrive', ...args], { env: { ...account.env } });
const lines = (stdout: string) =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('redrive', { timeout: 240_000 }, () => {
  test('--dry-run says which photos it would be, and calls nothing', async () => {
    expect(await redrive('--dry-run')).toEqual({
      code: 0,
      stdout: [
        'a+b ü.jpg: dead-letter (Unmasking failed again and again.)',
        'broken.jpg: internal ("The check failed: out of\\nmemory")',
        '2 failed photos would be queued again. Nothing was changed.',
        '1 cannot be: the upload was deleted or has expired.',
        '1 need not be: they have ended otherwise meanwhile.',
        '',
      ].join('\n'),
      stderr: '',
    });
    expect(account.invoked).toEqual([]);
  });

  test('--reason queues only what failed for it', async () => {
    expect(await redrive('--reason', 'internal')).toEqual({
      code: 0,
      stdout: '1 failed photo with reason internal queued again.\n`status` shows how they get on.\n',
      stderr: '',
    });
    expect(account.invoked.map(({ payload }) => createdObjects(payload)[0]?.key)).toEqual(['photos/broken.jpg']);
  });

  test('every failed photo is checked again as if it had just been uploaded, and the counts are told', async () => {
    const before = account.invoked.length;
    const { code, stdout, stderr } = await redrive('--json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(lines(stdout).at(-1)).toEqual({
      event: 'redrive',
      failed: 4,
      queued: 2,
      gone: 1,
      settled: 1,
      dryRun: false,
    });
    expect(lines(stdout)).toContainEqual({
      event: 'photo',
      key: 'photos/gone.jpg',
      reason: dead.reason,
      outcome: 'gone',
      dryRun: false,
    });
    const invoked = account.invoked.slice(before);
    expect(invoked).toHaveLength(2);
    for (const { function: name, type } of invoked)
      expect({ name, type }).toEqual({ name: 'unmask-check', type: 'Event' });
    expect(invoked.flatMap(({ payload }) => createdObjects(payload))).toContainEqual(
      expect.objectContaining({
        bucket: 'unmask-photos',
        key: 'photos/a+b ü.jpg',
        versionId: versions['a+b ü.jpg'],
        bytes: Buffer.byteLength('photos/a+b ü.jpg'),
      }),
    );
  });

  test('where no photo was ever recorded there is nothing to do', async () => {
    account.server.createBucket('empty-results');
    account.setStack({ outputs: { ResultsBucket: 'empty-results' } });
    expect(await redrive()).toEqual({ code: 0, stdout: 'No photo has failed. Nothing to do.\n', stderr: '' });
    account.setStack({ outputs: { ResultsBucket: 'unmask-results' } });
  });

  test('Ctrl-C finishes what is in hand and says how far it got', async () => {
    account.server.createBucket('many-results');
    account.setStack({ outputs: { ResultsBucket: 'many-results' } });
    const many = { ...account, stack: { ...account.stack, resultsBucket: 'many-results' } };
    const records: MetricsRecord[] = [];
    for (let index = 0; index < 400; index++) {
      const key = `photos/${index}.jpg`;
      records.push(recordFor(key, await upload(account, key), dead));
    }
    await record(many, ...records);
    const before = account.invoked.length;
    const { child, result } = startCli(['redrive', '--json'], { env: { ...account.env } });
    await lineFrom(child, 'stdout', (line) => line.includes('queued'));
    child.kill('SIGINT');
    const { code, stdout, stderr } = await result;
    expect(code).toBe(130);
    const { queued } = lines(stdout).at(-1);
    expect(queued).toBe(account.invoked.length - before);
    expect(stderr).toContain(`Stopped after ${queued} of 400; the same command again does the rest.`);
    expect(await redrive('--reason', 'internal')).toMatchObject({
      code: 0,
      stdout: 'No photo has failed with reason internal; 400 failed for other reasons. Nothing to do.\n',
    });
    account.setStack({ outputs: { ResultsBucket: 'unmask-results' } });
  });

  describe('what is wrong is one sentence with what to do', () => {
    test('the stack, the credentials, the permission to call, a reason that there is not', async () => {
      expect(await redrive('--stack', 'Unmsak', '--region', 'eu-west-1')).toEqual({
        code: 1,
        stdout: '',
        stderr:
          'error: There is no stack Unmsak in eu-west-1. Give another --region, --profile or --stack, or deploy it: npm run deploy.\n',
      });
      const anonymous = { ...account.env, AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' };
      expect(await runCli(['redrive'], { env: anonymous })).toMatchObject({
        code: 1,
        stdout: '',
        stderr: expect.stringMatching(/^error: Found no AWS credentials that work: .*`aws configure`.*\n$/),
      });
      expect(await redrive('--reason', 'truncated')).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('dead-letter'),
      });
      const message = 'User: arn:aws:iam::1:user/x is not authorized to perform: lambda:InvokeFunction';
      account.refuse('Invoke', { status: 403, code: 'AccessDeniedException', message });
      expect(await redrive()).toEqual({
        code: 1,
        stdout: expect.stringContaining('0 failed photos queued again.'),
        stderr: `error: AWS denies access: ${message}. Give another --profile, or have the permission added to this one.\n`,
      });
      account.refuse('Invoke', undefined);
    });

    test('a bucket that may not be read, one that is gone', async () => {
      account.server.failNext({ request: 'GET', answer: { status: 403, code: 'AccessDenied' } });
      expect(await redrive()).toMatchObject({
        code: 1,
        stdout: '',
        stderr: expect.stringMatching(/^error: AWS denies access: .*\n$/),
      });
      account.setStack({ outputs: { ResultsBucket: 'no-such-bucket' } });
      expect(await redrive()).toMatchObject({ code: 1, stderr: expect.stringContaining('bucket does not exist') });
      account.setStack({ outputs: { ResultsBucket: 'unmask-results' } });
    });
  });
});
