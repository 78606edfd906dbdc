import { posix } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareKeys } from '#local/key-order.ts';
import { pathOfKey, shortenPart } from '#local/key-path.ts';

test('an ordinary key is its own path', () => {
  expect(pathOfKey('photos/a b/ü%+.jpg')).toEqual(['photos', 'a b', 'ü%+.jpg']);
});

test('a part over 255 bytes keeps its beginning and its extension', () => {
  const [metrics, name] = pathOfKey(`metrics/${'x'.repeat(251)}.json`);
  expect(metrics).toBe('metrics');
  expect(name).toMatch(/^x{233}~[0-9a-f]{16}\.json$/);
});

test('a part of 255 bytes is not shortened', () => {
  expect(shortenPart('x'.repeat(255))).toBe('x'.repeat(255));
});

test('a part is cut between characters', () => {
  const name = shortenPart('😀'.repeat(64));
  expect(name).toMatch(/^(😀)+~[0-9a-f]{16}$/u);
  expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255);
});

test.each(['a\\b', 'a:b', 'what?', 'con', 'NUL.jpg', 'a/com1.png', 'dot.', 'space ', 'tab\t'])(
  'Windows refuses %j',
  (key) => {
    expect(() => pathOfKey(key, 'win32')).toThrow('Windows cannot hold such a name');
    expect(() => pathOfKey(key, 'linux')).not.toThrow();
  },
);

const hostile = fc
  .array(
    fc.oneof(fc.constantFrom('..', '.', '', '/', '\\', '\0', '.~', 'a'), fc.string({ unit: 'binary', maxLength: 400 })),
    {
      maxLength: 6,
    },
  )
  .map((parts) => parts.join('/'));

test('no key leaves the folder, and no part is too long for a file system', () => {
  fc.assert(
    fc.property(hostile, (key) => {
      let parts: readonly string[];
      try {
        parts = pathOfKey(key, 'linux');
      } catch {
        return;
      }
      expect(posix.join('/root', ...parts)).toBe(`/root/${parts.join('/')}`);
      for (const part of parts) {
        expect(Buffer.byteLength(part)).toBeLessThanOrEqual(255);
        expect(part).not.toContain('/');
      }
    }),
    { numRuns: 1000 },
  );
});

test('different keys have different paths', () => {
  const part = fc.oneof(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }), fc.constant('x'.repeat(300)));
  const key = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
  fc.assert(
    fc.property(key, key, (a, b) => {
      try {
        expect(pathOfKey(a, 'linux').join('/') === pathOfKey(b, 'linux').join('/')).toBe(a === b);
      } catch (cause) {
        if (!String(cause).includes('Expected a key')) throw cause;
      }
    }),
  );
});

test('keys are ordered by their UTF-8 bytes', () => {
  const key = fc.string({ unit: 'binary', maxLength: 4 }).filter((text) => text.isWellFormed());
  fc.assert(
    fc.property(key, key, (a, b) => {
      expect(Math.sign(compareKeys(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
    { numRuns: 1000 },
  );
});
