import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { readSettings, settingsSchema, settingsTable } from '../../infra/settings.ts';

describe('readSettings', () => {
  test('needs nothing: every setting has a default', () => {
    expect(readSettings({}, 'x64')).toMatchObject({
      faceDays: 30,
      throwAway: false,
      architecture: 'x86_64',
      email: '',
    });
  });

  test('builds for the machine that deploys', () => {
    expect(readSettings({}, 'arm64').architecture).toBe('arm64');
    expect(readSettings({ architecture: 'x86_64' }, 'arm64').architecture).toBe('x86_64');
  });

  test('reads numbers and flags from the command line, which knows only text', () => {
    expect(readSettings({ faceDays: '7', throwAway: 'true' })).toMatchObject({ faceDays: 7, throwAway: true });
  });

  test('leaves alone what the CDK keeps in its context', () => {
    expect(() =>
      readSettings({
        '@aws-cdk/core:checkSecretUsage': true,
        'aws:cdk:bundling-stacks': ['**'],
        'cli-telemetry': false,
      }),
    ).not.toThrow();
  });

  test.each([
    [{ faceDay: '7' }, /Unrecognized key: "faceDay"/],
    [{ faceDays: 'soon' }, /faceDays/],
    [{ maxConcurrency: '1' }, />=2.*maxConcurrency|maxConcurrency/s],
    [{ unmaskMemoryMb: '10240' }, /unmaskMemoryMb/],
    [{ logDays: '31' }, /logDays/],
    [{ timeGuardSeconds: '60', unmaskTimeoutSeconds: '60' }, /no job would ever be started/],
    [{ monthlyBudgetUsd: '5' }, /a budget needs somebody to tell/],
  ])('refuses %j', (context, message) => {
    expect(() => readSettings(context)).toThrow(message);
  });
});

test('every setting gives its reason in a sentence', () => {
  for (const [name, schema] of Object.entries(settingsSchema.shape)) {
    expect(schema.description, name).toMatch(/[a-z0-9%`)]\.$/);
  }
});

test('the table in infra/README.md is the one made from the settings', () => {
  expect(readFileSync('infra/README.md', 'utf8')).toContain(settingsTable());
});
