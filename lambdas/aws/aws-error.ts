export type AwsErrorCode =
  | 'no-credentials'
  | 'expired-credentials'
  | 'no-region'
  | 'access-denied'
  | 'unreachable'
  | 'no-such-stack'
  | 'unready-stack'
  | 'older-stack';

/** What stands between a person and their account, in one sentence, and what to do about it. The code is stable, for scripts. */
export class AwsError extends Error {
  override readonly name = 'AwsError';
  readonly code: AwsErrorCode;

  constructor(code: AwsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * What the work answers; AWS's words for what is wrong with credentials, region, permissions or the network become an AwsError, everything
 * else is thrown as it came.
 */
export async function explained<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw explain(error);
  }
}

/** https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html names the places. */
const logIn = 'Run `aws configure` or `aws sso login`, set AWS_PROFILE, or give --profile.';

/** AWS's error as an AwsError, where it is one that a person can do something about; every other as it is. */
export function explain(cause: unknown): unknown {
  if (!(cause instanceof Error) || cause instanceof AwsError) return cause;
  const { name, message } = cause;
  const told = message.trim().replace(/\.$/, '');
  if (name === 'CredentialsProviderError' || name === 'TokenProviderError')
    return new AwsError('no-credentials', `Found no AWS credentials that work: ${told}. ${logIn}`, { cause });
  if (expired.has(name))
    return new AwsError('expired-credentials', `AWS does not take these credentials: ${told}. ${logIn}`, { cause });
  if (/^Region (is missing|not accepted)/.test(message))
    return new AwsError('no-region', 'Found no AWS region. Give --region us-east-1, say, or set AWS_REGION.', {
      cause,
    });
  if (denied.has(name) || Object(cause).$metadata?.httpStatusCode === 403)
    return new AwsError(
      'access-denied',
      // A HEAD has no body to say what was asked.
      `AWS denies access: ${told === 'UnknownError' ? 'an object may not be read' : told}. Give another --profile, or have the permission added to this one.`,
      { cause },
    );
  const { code } = cause as NodeJS.ErrnoException;
  if (code !== undefined && unreachable.has(code))
    return new AwsError('unreachable', `AWS cannot be reached: ${told}. Is the network up, and the region right?`, {
      cause,
    });
  return cause;
}

/** The services have no common words for these. https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html */
const denied = new Set(['AccessDenied', 'AccessDeniedException', 'AllAccessDisabled', 'UnauthorizedOperation']);
const expired = new Set([
  'ExpiredToken',
  'ExpiredTokenException',
  'InvalidAccessKeyId',
  'InvalidClientTokenId',
  'InvalidToken',
  'RequestExpired',
  'SignatureDoesNotMatch',
  'UnrecognizedClientException',
]);
const unreachable = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ETIMEDOUT']);
