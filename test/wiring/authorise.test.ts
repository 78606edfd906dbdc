import { expect, test } from 'vitest';
import { isAllowed } from './authorise.ts';
import type { Statement } from './cloud-plan.ts';

const allow = (action: string, resource: string, condition: Statement['condition'] = {}): Statement => ({
  effect: 'Allow',
  actions: [action],
  resources: [resource],
  condition,
});
const reading = [allow('s3:GetObject', 'arn:aws:s3:::photos/photos/*')];
const asked = (action: string, resource: string, context: Record<string, string> = {}) => ({
  action,
  resource,
  context,
});

test('what no statement allows is refused', () => {
  expect(isAllowed(asked('s3:GetObject', 'arn:aws:s3:::photos/photos/a+b.jpg'), reading)).toBe(true);
  expect(isAllowed(asked('s3:PutObject', 'arn:aws:s3:::photos/photos/a.jpg'), reading)).toBe(false);
  expect(isAllowed(asked('s3:GetObject', 'arn:aws:s3:::photos/references/a.jpg'), reading)).toBe(false);
  expect(isAllowed(asked('s3:GetObject', 'arn:aws:s3:::results/photos/a.jpg'), reading)).toBe(false);
});

test('a listing is allowed under its prefix, and where the request has none', () => {
  const condition = { StringLikeIfExists: { 's3:prefix': ['metrics/*'] } };
  const listing = [allow('s3:ListBucket', 'arn:aws:s3:::results', condition)];
  const list = (context: Record<string, string>) =>
    isAllowed(asked('s3:ListBucket', 'arn:aws:s3:::results', context), listing);
  expect(list({ 's3:prefix': 'metrics/' })).toBe(true);
  expect(list({ 's3:prefix': 'unmasked/' })).toBe(false);
  expect(list({})).toBe(true);
});

test('a record is refused to whoever may write it, unless under a condition', () => {
  const statements: Statement[] = [
    allow('s3:PutObject', 'arn:aws:s3:::results/metrics/*'),
    {
      effect: 'Deny',
      actions: ['s3:PutObject'],
      resources: ['arn:aws:s3:::results/metrics/*'],
      condition: {
        Null: { 's3:if-none-match': 'true', 's3:if-match': 'true' },
        Bool: { 's3:ObjectCreationOperation': 'true' },
      },
    },
  ];
  const put = (context: Record<string, string>) =>
    isAllowed(
      asked('s3:PutObject', 'arn:aws:s3:::results/metrics/a.json', {
        's3:ObjectCreationOperation': 'true',
        ...context,
      }),
      statements,
    );
  expect(put({})).toBe(false);
  expect(put({ 's3:if-none-match': '*' })).toBe(true);
  expect(put({ 's3:if-match': 'etag' })).toBe(true);
});

test('a condition that it does not know is an error, not a guess', () => {
  const odd = [allow('s3:GetObject', '*', { IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } })];
  expect(() => isAllowed(asked('s3:GetObject', 'arn:aws:s3:::b/k'), odd)).toThrow(/IpAddress/);
});
