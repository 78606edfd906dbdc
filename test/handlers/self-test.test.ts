import { expect, test } from 'vitest';
import { selfTest } from '../../lambdas/self-test.ts';
import {
  bytesOf,
  createTestClock,
  detectorOf,
  faceAt,
  paintingUnmasker,
  processing,
  testCodec,
  unusedDenoiser,
} from '../pipeline/factories.ts';

const golden = { photo: bytesOf('photo 300x280 of 100'), reference: bytesOf('photo 300x280 of 101') };
const tools = {
  codec: testCodec,
  detector: detectorOf([faceAt(100, 100)]),
  denoiser: unusedDenoiser,
  unmasker: paintingUnmasker(100),
  processing,
  clock: createTestClock(),
};

test('an image that restores the golden photo passes', async () => {
  const record = await selfTest(golden, tools);
  expect(record.status).toBe('unmasked');
});

test('one that restores something else does not', async () => {
  const other = { ...golden, reference: bytesOf('photo 300x280 of 200') };
  await expect(selfTest(other, tools)).rejects.toThrow(/Expected at least 17.5 dB under the mask .* received \d/);
});

test('one that sees no mask does not', async () => {
  await expect(selfTest(golden, { ...tools, detector: detectorOf([]) })).rejects.toThrow(
    'Expected a masked face in the golden photo but received status no-face.',
  );
});
