import type { Account } from './account.ts';
import type { Settings } from './settings.ts';

export type Finding = {
  readonly what: string;
  readonly ok: boolean;
  /** What was found. */
  readonly says: string;
  /** What to do about it; absent when all is well. */
  readonly remedy?: string;
};

/** Functions beside unmask that may run at once: check, catalogue, record, reconcile. */
const others = 6;

/**
 * Whether this machine and account can take a deployment, in the order in which one would set things up. What depends on something that
 * is missing is not asked.
 */
export async function diagnose(
  account: Account,
  settings: Pick<Settings, 'maxConcurrency'>,
): Promise<readonly Finding[]> {
  const builder = await findBuilder(account);
  const region = await attempt(() => account.region());
  if ('error' in region) {
    return [builder, missing('region', region.error, 'Set AWS_REGION, us-east-1 say, or run `aws configure`.')];
  }
  const found = [builder, fine('region', region.value)];
  const accountId = await attempt(() => account.accountId());
  if ('error' in accountId) {
    const remedy = 'Run `aws configure`, `aws sso login` or set AWS_PROFILE, then try again.';
    return [...found, missing('credentials', accountId.error, remedy)];
  }
  return [
    ...found,
    fine('credentials', `account ${accountId.value}`),
    await bootstrap(account, accountId.value, region.value),
    await quota(account, settings),
  ];
}

async function findBuilder(account: Account): Promise<Finding> {
  for (const command of ['docker', 'finch', 'podman']) {
    if (!(await account.builds(command))) continue;
    return fine(
      'image builder',
      command === 'docker' ? command : `${command}; deploy with CDK_DOCKER=${command} npm run deploy`,
    );
  }
  return missing(
    'image builder',
    'neither docker, finch nor podman answers',
    'Start Docker Desktop, or install Finch or Podman.',
  );
}

async function bootstrap(account: Account, accountId: string, region: string): Promise<Finding> {
  const what = 'CDK bootstrap';
  const remedy = `Run \`npx cdk bootstrap aws://${accountId}/${region}\` once.`;
  const done = await attempt(() => account.isBootstrapped(accountId, region));
  if ('error' in done)
    return missing(what, done.error, `Your credentials need s3:ListBucket on the CDK's bucket. ${remedy}`);
  return done.value ? fine(what, 'done') : missing(what, 'not done in this account and region', remedy);
}

async function quota(account: Account, { maxConcurrency }: Pick<Settings, 'maxConcurrency'>): Promise<Finding> {
  const what = 'Lambda quota';
  const executions = await attempt(() => account.concurrency());
  if ('error' in executions) return missing(what, executions.error, 'Your credentials need lambda:GetAccountSettings.');
  const says = `${executions.value} executions at once, ${maxConcurrency + others} wanted`;
  if (executions.value >= maxConcurrency + others) return fine(what, says);
  return missing(what, says, 'Deploy with a lower `-c maxConcurrency=`, or ask AWS for more under Service Quotas.');
}

const fine = (what: string, says: string): Finding => ({ what, ok: true, says });
const missing = (what: string, says: string, remedy: string): Finding => ({ what, ok: false, says, remedy });

async function attempt<Value>(
  work: () => Promise<Value>,
): Promise<{ readonly value: Value } | { readonly error: string }> {
  try {
    return { value: await work() };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}
