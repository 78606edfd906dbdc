import { S3Client } from '@aws-sdk/client-s3';

/** Credentials and region as the AWS CLI finds them: environment, profile files, single sign-on, instance roles. */
export type ClientOptions = { readonly profile?: string; readonly region?: string };

/**
 * A client for a person's machine. A self-hosted endpoint (AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL) gets buckets in the path, because it
 * seldom has a host name for each. https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
 */
export const s3Client = (options: ClientOptions = {}): S3Client =>
  new S3Client({ ...accountOf(options), forcePathStyle: isSelfHosted('S3') });

/** Nothing else that a command's options may hold reaches the SDK's configuration. */
export const accountOf = ({ profile, region }: ClientOptions): ClientOptions => ({
  ...(profile !== undefined && { profile }),
  ...(region !== undefined && { region }),
});

export const isSelfHosted = (service: 'S3' | 'SQS'): boolean =>
  (process.env[`AWS_ENDPOINT_URL_${service}`] ?? process.env.AWS_ENDPOINT_URL) !== undefined;
