import { expect, test } from 'vitest';
import type { Account } from '../../infra/account.ts';
import { diagnose } from '../../infra/diagnose.ts';

const account: Account = {
  region: async () => 'eu-central-1',
  accountId: async () => '111122223333',
  isBootstrapped: async () => true,
  concurrency: async () => 1000,
  builds: async (command) => command === 'docker',
};
const settings = { maxConcurrency: 4 };
const missing = async (changes: Partial<Account>) =>
  (await diagnose({ ...account, ...changes }, settings)).filter(({ ok }) => !ok);

test('a machine that has everything is ready', async () => {
  expect(await missing({})).toEqual([]);
});

test('a new account with ten executions is enough for the defaults', async () => {
  expect(await missing({ concurrency: async () => 10 })).toEqual([]);
});

test('without credentials nothing more is asked of AWS, and the way to get them is said', async () => {
  const accountId = async () => {
    throw new Error('Could not load credentials from any providers');
  };
  const concurrency = async () => {
    throw new Error('asked');
  };
  expect(await missing({ accountId, concurrency })).toEqual([
    {
      what: 'credentials',
      ok: false,
      says: 'Could not load credentials from any providers',
      remedy: 'Run `aws configure`, `aws sso login` or set AWS_PROFILE, then try again.',
    },
  ]);
});

test('an account that was never bootstrapped is told the exact line', async () => {
  expect((await missing({ isBootstrapped: async () => false }))[0]?.remedy).toBe(
    'Run `npx cdk bootstrap aws://111122223333/eu-central-1` once.',
  );
});

test('Finch and Podman build too', async () => {
  const findings = await diagnose({ ...account, builds: async (command) => command === 'finch' }, settings);
  expect(findings[0]).toEqual({
    what: 'image builder',
    ok: true,
    says: 'finch; deploy with CDK_DOCKER=finch npm run deploy',
  });
});

test('too small a quota names the setting', async () => {
  expect((await missing({ concurrency: async () => 5 }))[0]?.remedy).toContain('maxConcurrency');
});
