import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { maxKeyBytes, metricsKey, referenceKey, unmaskedKey } from '#pipeline/photo.ts';

const length = (key: string): number => new TextEncoder().encode(key).length;
const photoOf = (bytes: number, extension = '.jpg') => `photos/${'p'.repeat(bytes - 7 - extension.length)}${extension}`;

describe('where the results of a photo lie', () => {
  test('under its own name, extension kept', () => {
    expect(unmaskedKey('photos/a/b.png')).toBe('unmasked/a/b.png');
    expect(metricsKey('photos/a/b.png')).toBe('metrics/a/b.png.json');
    expect(referenceKey('photos/a/b.png')).toBe('references/a/b.png');
  });

  test('a key outside photos/ is no photo', () => {
    expect(() => metricsKey('photos/')).toThrow('Expected a key under photos/');
    expect(() => metricsKey('other/a.png')).toThrow('Expected a key under photos/ but received "other/a.png".');
  });

  test('up to 1,017 bytes of key the name is the photo’s own, above it is short enough for S3', () => {
    const own = photoOf(1017);
    expect(metricsKey(own)).toBe(`metrics/${own.slice(7)}.json`);
    const long = photoOf(1018);
    const sha256 = createHash('sha256').update(long.slice(7)).digest('hex');
    expect(metricsKey(long)).toMatch(new RegExp(`^metrics/p+_${sha256}\\.jpg\\.json$`));
    expect(unmaskedKey(long)).toMatch(new RegExp(`^unmasked/p+_${sha256}\\.jpg$`));
    expect(length(metricsKey(photoOf(maxKeyBytes)))).toBe(maxKeyBytes);
  });

  test('a photo named like the results of another has other results', () => {
    const long = photoOf(maxKeyBytes);
    const imitation = `photos/${unmaskedKey(long).slice('unmasked/'.length)}`;
    expect(unmaskedKey(imitation)).not.toBe(unmaskedKey(long));
  });

  test('whatever the name: S3 can hold the keys, they are text, and no two photos share them', () => {
    const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1100 }).filter((text) => length(text) <= 1017);
    const seen = new Map<string, string>();
    const check = (path: string) => {
      const photo = `photos/${path}`;
      for (const key of [metricsKey(photo), unmaskedKey(photo)]) {
        expect(length(key)).toBeLessThanOrEqual(maxKeyBytes);
        expect(key.isWellFormed() || !photo.isWellFormed()).toBe(true);
        expect(seen.get(key) ?? photo).toBe(photo);
        seen.set(key, photo);
      }
    };
    fc.assert(fc.property(name, check), { seed: 1, numRuns: 200 });
    for (const unit of ['é', '名', '😀', 'e\u0301']) {
      for (let padding = 0; padding < 8; padding++) {
        check(`${'x'.repeat(padding)}${unit.repeat(Math.floor(1005 / length(unit)))}.jpeg`);
        check(`${'x'.repeat(padding)}${unit.repeat(Math.floor(900 / length(unit)))}/${'y'.repeat(100)}`);
      }
    }
  });
});
