import { expect, test } from 'vitest';
import { commitRecord, doneBefore, readEarlier } from '#pipeline/commit-record.ts';
import { parseMetricsRecord } from '#pipeline/metrics-record.ts';
import type { Store } from '#pipeline/ports.ts';
import { bytesOf, createMemoryStore, recordOf, referenceOf } from './factories.ts';

const key = 'photos/anna.png';
const metrics = 'metrics/anna.png.json';

async function committed(results: Store) {
  const stored = await results.get(metrics);
  return stored && parseMetricsRecord(stored.bytes);
}

test('the first record of a photo is written', async () => {
  const photos = createMemoryStore({ [key]: 'one' });
  const results = createMemoryStore();
  const record = recordOf();
  expect(await commitRecord(record, await referenceOf(photos, key), { photos, results })).toEqual({
    outcome: 'written',
    record,
  });
  expect(await committed(results)).toEqual(record);
});

test('a redelivered job leaves the record of the first delivery', async () => {
  const photos = createMemoryStore({ [key]: 'one' });
  const results = createMemoryStore();
  const photo = await referenceOf(photos, key);
  await commitRecord(recordOf(), photo, { photos, results });
  const again = await commitRecord(recordOf({ createdAt: '2026-11-02T00:00:00.000Z' }), photo, { photos, results });
  expect(again.outcome).toBe('exists');
  expect((await committed(results))?.createdAt).toBe('2026-11-01T10:20:30.000Z');
});

test('of 20 writers of one photo exactly one writes', async () => {
  const photos = createMemoryStore({ [key]: 'one' });
  const results = createMemoryStore();
  const photo = await referenceOf(photos, key);
  const commits = await Promise.all(
    Array.from({ length: 20 }, () => commitRecord(recordOf(), photo, { photos, results })),
  );
  expect(commits.filter(({ outcome }) => outcome === 'written')).toHaveLength(1);
});

test('a newer upload wins although its message came first', async () => {
  const photos = createMemoryStore({ [key]: 'old' });
  const results = createMemoryStore();
  const older = await referenceOf(photos, key);
  await photos.put(key, bytesOf('new'));
  const newer = await referenceOf(photos, key);
  await commitRecord(recordOf({ jobId: 'b'.repeat(64) }), newer, { photos, results });
  const late = await commitRecord(recordOf({ jobId: 'c'.repeat(64) }), older, { photos, results });
  expect(late.outcome).toBe('superseded');
  expect((await committed(results))?.jobId).toBe('b'.repeat(64));
});

test('a newer upload without a mask takes the older unmasked photo away', async () => {
  const photos = createMemoryStore({ [key]: 'new' });
  const old = recordOf({ status: 'unmasked', unmasked: { key: 'unmasked/anna.png', bytes: 3, sha256: 'f' } });
  const results = createMemoryStore({ [metrics]: JSON.stringify(old), 'unmasked/anna.png': 'old' });
  await commitRecord(recordOf({ jobId: 'b'.repeat(64) }), await referenceOf(photos, key), { photos, results });
  expect(results.keys()).toEqual([metrics]);
});

test('a failed photo is not done and may be replaced by the same job', async () => {
  const photos = createMemoryStore({ [key]: 'one' });
  const failed = recordOf({ status: 'failed', reason: { code: 'internal', message: 'Out of luck.' } });
  const results = createMemoryStore({ [metrics]: JSON.stringify(failed) });
  expect(doneBefore(failed.jobId, await readEarlier(key, results))).toBeUndefined();
  await commitRecord(recordOf(), await referenceOf(photos, key), { photos, results });
  expect(doneBefore(failed.jobId, await readEarlier(key, results))).toEqual(recordOf());
});

test('force replaces the record of the same job', async () => {
  const photos = createMemoryStore({ [key]: 'one' });
  const results = createMemoryStore({ [metrics]: JSON.stringify(recordOf()) });
  const later = recordOf({ createdAt: '2026-11-03T00:00:00.000Z' });
  await commitRecord(later, await referenceOf(photos, key), { photos, results }, { force: true });
  expect(await committed(results)).toEqual(later);
});

test('a writer that always comes too late gives up with an error instead of spinning', async () => {
  const photos = createMemoryStore({ [key]: 'one' });
  const results: Store = { ...createMemoryStore(), put: async () => 'conflict' };
  await expect(commitRecord(recordOf(), await referenceOf(photos, key), { photos, results })).rejects.toThrow(
    'kept changing under 8 conditional writes',
  );
});

test('what was read before is not read again, unless somebody else has written since', async () => {
  const photos = createMemoryStore({ [key]: 'one' });
  const held = createMemoryStore();
  let reads = 0;
  const get = (asked: string) => {
    reads++;
    return held.get(asked);
  };
  const results: Store = { ...held, get };
  const photo = await referenceOf(photos, key);
  const read = { earlier: undefined };
  expect((await commitRecord(recordOf(), photo, { photos, results }, { read })).outcome).toBe('written');
  expect(reads).toBe(0);
  expect((await commitRecord(recordOf(), photo, { photos, results }, { read })).outcome).toBe('exists');
  expect(reads).toBe(1);
});
