import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createdObjects } from '#aws/events.ts';
import { runCli } from '../cli/cli.ts';
import { type InProcessAccount, openInProcessAccount } from './in-process-account.ts';
import { record, recordFor, upload } from './stored-photos.ts';

let account: InProcessAccount;
let lost: string;
beforeAll(async () => {
  account = await openInProcessAccount();
  lost = await upload(account, 'photos/lost\n1.jpg');
  await upload(account, 'photos/folder/');
  await upload(account, 'references/lost.jpg');
  await record(account, recordFor('photos/fine.jpg', await upload(account, 'photos/fine.jpg')));
}, 60_000);
afterAll(() => account.close());

const reconcile = (...args: readonly string[]) => runCli(['reconcile', ...args], { env: { ...account.env } });

describe('reconcile', { timeout: 120_000 }, () => {
  test('young uploads may be under way and are left alone', async () => {
    expect(await reconcile()).toEqual({
      code: 0,
      stdout: 'Looked at 3 uploads: none has lost its way. Nothing to do.\n',
      stderr: '',
    });
  });

  test('--dry-run says which uploads it would be, and calls nothing', async () => {
    expect(await reconcile('--older-than', '0', '--dry-run')).toEqual({
      code: 0,
      stdout: '"lost\\n1.jpg"\nLooked at 3 uploads: 1 without a record would be queued again. Nothing was changed.\n',
      stderr: '',
    });
    expect(account.invoked).toEqual([]);
  });

  test('an upload without a record is checked again as if it had just arrived', async () => {
    const { code, stdout, stderr } = await reconcile('--older-than', '0', '--json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { event: 'photo', key: 'photos/lost\n1.jpg', dryRun: false },
      { event: 'reconciled', uploads: 3, queued: 1, olderThanMinutes: 0, dryRun: false },
    ]);
    expect(account.invoked).toEqual([{ function: 'unmask-check', type: 'Event', payload: expect.anything() }]);
    expect(createdObjects(account.invoked[0]?.payload)).toEqual([
      expect.objectContaining({ bucket: 'unmask-photos', key: 'photos/lost\n1.jpg', versionId: lost }),
    ]);
  });

  test('what is wrong is one sentence with what to do', async () => {
    expect(await reconcile('--stack', 'Elsewhere')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^error: There is no stack/),
    });
    expect(await reconcile('--older-than', 'an hour')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/whole number of 0 or more/),
    });
    account.server.failNext({ request: 'GET', answer: { status: 403, code: 'AccessDenied' } });
    expect(await reconcile()).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^error: AWS denies access: AccessDenied\. Give/),
    });
    expect(await runCli(['reconcile'], { env: { ...account.env, AWS_REGION: '' } })).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^error: Found no AWS region\. Give --region/),
    });
  });
});
