import { App, Stack, Validations } from 'aws-cdk-lib';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { AwsSolutionsChecks } from 'cdk-nag';
import { expect, test } from 'vitest';
import { synthesise } from './synthesise.ts';

// A finding stops the synthesis. cdk-nag prints what it found to standard error.
test('AWS Solutions has nothing to say against the stack, with every option on', () => {
  const { app } = synthesise({
    throwAway: 'true',
    encryption: 'kms',
    email: 'somebody@example.org',
    monthlyBudgetUsd: '5',
  });
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  expect(() => app.synth()).not.toThrow();
}, 120_000);

test('and it does look: a queue without TLS stops the synthesis', () => {
  const app = new App();
  new Queue(new Stack(app, 'Careless'), 'Open');
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  expect(() => app.synth()).toThrow(/AwsSolutions-SQS4/);
}, 120_000);
