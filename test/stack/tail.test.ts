import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runCli, startCli } from '../cli/cli.ts';
import { type InProcessAccount, openInProcessAccount } from './in-process-account.ts';
import { record, recordFor } from './stored-photos.ts';

let account: InProcessAccount;
beforeEach(async () => {
  account = await openInProcessAccount();
}, 60_000);
afterEach(() => account.close());

const now = () => new Date().toISOString();

/** Starts `tail`, and answers what it has said so far, line by line. */
function startTail(...args: readonly string[]) {
  const { child, result } = startCli(['tail', ...args], { env: { ...account.env } });
  let said = '';
  let warned = '';
  child.stdout?.on('data', (text) => {
    said += text;
  });
  child.stderr?.on('data', (text) => {
    warned += text;
  });
  return { child, result, lines: () => said.split('\n').slice(0, -1), warnings: () => warned };
}

describe('tail', { timeout: 120_000 }, () => {
  test('tells what comes from now on, once, and ends by Ctrl-C', async () => {
    await record(account, recordFor('photos/old.jpg', 'v', { createdAt: now() }));
    const tail = startTail();
    await expect.poll(tail.warnings, { timeout: 60_000 }).toContain('Following s3://unmask-results');
    await record(account, recordFor('photos/new\n1.jpg', 'v', { createdAt: now() }));
    await expect.poll(tail.lines, { timeout: 20_000 }).toHaveLength(1);
    await record(
      account,
      recordFor('photos/bad.heic', 'v', {
        status: 'rejected',
        createdAt: now(),
        reason: { code: 'heic', message: 'HEIC must be converted.' },
      }),
    );
    await expect.poll(tail.lines, { timeout: 20_000 }).toHaveLength(2);
    tail.child.kill('SIGINT');
    expect((await tail.result).code).toBe(0);
    expect(tail.lines()).toEqual([
      expect.stringMatching(/^20\S+Z {2}bare {6}"new\\n1\.jpg" {2}\(12 ms\)$/),
      expect.stringMatching(/ rejected {2}bad\.heic {2}\(12 ms, HEIC must be converted\.\)$/),
    ]);
  });

  test('--since begins earlier, --limit ends, --json is the record, and an empty stack is waited for', async () => {
    const waiting = startTail('--since', '1d', '--limit', '2', '--json');
    await expect.poll(() => waiting.child.exitCode, { timeout: 3000 }).toBe(null);
    const records = ['a', 'b', 'c'].map((name, minute) =>
      recordFor(`photos/${name}.jpg`, 'v', { createdAt: new Date(Date.now() - 60_000 * (60 - minute)).toISOString() }),
    );
    await record(account, recordFor('photos/ancient.jpg', 'v', { createdAt: '2020-01-01T00:00:00.000Z' }), ...records);
    const { code, stdout } = await waiting.result;
    expect(code).toBe(0);
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { event: 'photo', record: records[0] },
      { event: 'photo', record: records[1] },
    ]);
  });

  test('a folded manifest tells nothing twice', async () => {
    const tail = startTail('--since', '1h');
    for (let number = 0; number < 40; number++) {
      await record(account, recordFor(`photos/${number}.jpg`, 'v', { createdAt: now() }));
    }
    await expect.poll(tail.lines, { timeout: 30_000 }).toHaveLength(40);
    await record(account, recordFor('photos/last.jpg', 'v', { createdAt: now() }));
    await expect.poll(tail.lines, { timeout: 30_000 }).toHaveLength(41);
    tail.child.kill('SIGINT');
    await tail.result;
    expect(new Set(tail.lines()).size).toBe(41);
  });

  test('what cannot be reached is tried again; what is refused ends it', async () => {
    const tail = startTail('--since', '1h');
    await expect.poll(tail.warnings, { timeout: 60_000 }).toContain('Following');
    for (let attempt = 0; attempt < 3; attempt++) account.server.failNext({ request: 'GET', answer: 'lost' }); // the SDK tries three times
    await expect.poll(tail.warnings, { timeout: 30_000 }).toMatch(/warning: .*Trying again/s);
    await record(account, recordFor('photos/after.jpg', 'v', { createdAt: now() }));
    await expect.poll(tail.lines, { timeout: 30_000 }).toHaveLength(1);
    account.server.failNext({ request: 'GET', answer: { status: 403, code: 'AccessDenied' } });
    expect(await tail.result).toMatchObject({ code: 1, stderr: expect.stringMatching(/error: AWS denies access/) });
    expect(await runCli(['tail', '--since', 'yesterday'], { env: { ...account.env } })).toMatchObject({ code: 2 });
  });
});
