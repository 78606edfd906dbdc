import { type Command, Option } from 'commander';
import { denoiseModes } from '#pipeline/processing.ts';
import { UsageError } from './exit-codes.ts';

/** Options that several commands share, so that they are called and explained alike. */

export const modelOption = () => new Option('--model <name>', 'unmasker, a name from `models`').default('rescnn');

export const denoiseOption = () =>
  new Option('--denoise <mode>', 'what the first stage cleans when a photo is noisy')
    .choices(denoiseModes)
    .default('region');

export const jsonOption = () => new Option('--json', 'one JSON object a line on standard output, for scripts');

export const profileOption = () =>
  new Option('--profile <name>', 'profile of your AWS configuration (default: AWS_PROFILE, or the default profile)');

export const regionOption = () => new Option('--region <name>', "AWS region (default: AWS_REGION, or the profile's)");

/** Which account and region to speak to; what is missing, the AWS SDK finds as the AWS CLI does. */
export type AccountOptions = { readonly profile?: string; readonly region?: string };

const stackOption = () => new Option('--stack <name>', 'the deployed stack').default('Unmask');

/** A command that reads results of this machine or of an account: its last options. */
export const onAccount = (command: Command): Command =>
  command.addOption(profileOption()).addOption(regionOption()).addOption(jsonOption());

/** A command that speaks to a deployed stack: its last options. */
export const onStack = (command: Command): Command => onAccount(command.addOption(stackOption()));

/** Which deployed stack to speak to. */
export type StackOptions = AccountOptions & { readonly stack: string; readonly json?: boolean };

/** @throws UsageError unless the text is a whole number of `least` or more. */
const wholeNumber =
  (least: number) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isInteger(value) || value < least)
      throw new UsageError(`Expected a whole number of ${least} or more but received ${text}.`);
    return value;
  };

export const positiveInteger = wholeNumber(1);
export const notNegativeInteger = wholeNumber(0);

/** @throws UsageError unless the text is a number above 0. */
export function positiveNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value <= 0)
    throw new UsageError(`Expected a number above 0 but received ${text}.`);
  return value;
}
