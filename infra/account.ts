import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { GetAccountSettingsCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { HeadBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';

/** What a deployment needs to know of this machine and its AWS account. Each answers or throws what AWS, or the shell, says. */
export type Account = {
  /** From the environment or the profile. */
  region(): Promise<string>;
  /** Number of the account that the credentials belong to. */
  accountId(): Promise<string>;
  /** Whether `cdk bootstrap` was run in the account and region. */
  isBootstrapped(accountId: string, region: string): Promise<boolean>;
  /** Lambda executions at once. */
  concurrency(): Promise<number>;
  /** Whether the image builder answers. */
  builds(command: string): Promise<boolean>;
};

export function createAccount(): Account {
  const lambda = new LambdaClient();
  return {
    region: () => lambda.config.region(),
    async accountId() {
      const { Account } = await new STSClient().send(new GetCallerIdentityCommand());
      if (Account === undefined) throw new Error('Expected an account number from AWS.');
      return Account;
    },
    async isBootstrapped(accountId, region) {
      try {
        await new S3Client().send(new HeadBucketCommand({ Bucket: `cdk-hnb659fds-assets-${accountId}-${region}` }));
        return true;
      } catch (error) {
        if (error instanceof Error && error.name === 'NotFound') return false;
        throw error;
      }
    },
    async concurrency() {
      const { AccountLimit } = await lambda.send(new GetAccountSettingsCommand());
      return AccountLimit?.ConcurrentExecutions ?? 0;
    },
    async builds(command) {
      try {
        await promisify(execFile)(command, ['info'], { timeout: 15_000 });
        return true;
      } catch {
        return false;
      }
    },
  };
}
