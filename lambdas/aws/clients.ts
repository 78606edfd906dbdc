import { CloudFormationClient } from '@aws-sdk/client-cloudformation';
import { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { SQSClient } from '@aws-sdk/client-sqs';
import { accountOf, type ClientOptions, isSelfHosted } from './s3-client.ts';

// Clients for a person's machine, for the commands that speak to a deployed stack. That of S3 is by itself: those who only read results
// do not wait for the others to load, 0.2 s.
export { type ClientOptions, s3Client } from './s3-client.ts';

/** A self-hosted endpoint is where it was said to be, whatever host it writes into the URLs of its queues. */
export const sqsClient = (options: ClientOptions = {}): SQSClient =>
  new SQSClient({ ...accountOf(options), useQueueUrlAsEndpoint: !isSelfHosted('SQS') });

export const lambdaClient = (options: ClientOptions = {}): LambdaClient => new LambdaClient(accountOf(options));

export const cloudFormationClient = (options: ClientOptions = {}): CloudFormationClient =>
  new CloudFormationClient(accountOf(options));

export const cloudWatchClient = (options: ClientOptions = {}): CloudWatchClient =>
  new CloudWatchClient(accountOf(options));
