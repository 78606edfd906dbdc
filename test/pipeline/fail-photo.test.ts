import { expect, test } from 'vitest';
import { failPhoto } from '#pipeline/fail-photo.ts';
import { createMemoryStore, createTestClock, processing, referenceOf } from './factories.ts';

const key = 'photos/anna.png';
const reason = { code: 'dead-letter', message: 'Unmasking failed again and again.' } as const;

test('a photo that failed for good has a record that says so', async () => {
  const tools = { photos: createMemoryStore({ [key]: 'a' }), results: createMemoryStore(), clock: createTestClock() };
  const photo = await referenceOf(tools.photos, key);
  expect(await failPhoto(photo, reason, { ...tools, processing })).toMatchObject({
    outcome: 'written',
    record: { status: 'failed', reason },
  });
  expect(tools.results.keys()).toEqual(['metrics/anna.png.json']);
});

test('a version that was deleted or replaced meanwhile has none', async () => {
  const tools = { photos: createMemoryStore({ [key]: 'a' }), results: createMemoryStore(), clock: createTestClock() };
  const photo = { ...(await referenceOf(tools.photos, key)), versionId: 'v1' };
  expect(await failPhoto(photo, reason, { ...tools, processing })).toMatchObject({ outcome: 'superseded' });
  expect(tools.results.keys()).toEqual([]);
});
