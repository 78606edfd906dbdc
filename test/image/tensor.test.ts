import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromTensor, toTensor } from '#image/tensor.ts';

const plain = { mean: [0, 0, 0], std: [1, 1, 1] };

describe('a tensor', () => {
  test('holds red, then green, then blue, row by row', () => {
    const data = Uint8Array.from([0, 51, 102, 153, 204, 255, 10, 20, 30, 40, 50, 60]);
    const tensor = toTensor({ width: 2, height: 2, channels: 3, data }, plain);
    const bytes = [0, 153, 10, 40, 51, 204, 20, 50, 102, 255, 30, 60];
    expect([...tensor]).toEqual(bytes.map((byte) => Math.fround(byte / 255)));
  });

  test('leaves alpha out', () => {
    const data = Uint8Array.from([255, 0, 0, 77, 0, 255, 0, 99]);
    expect([...toTensor({ width: 2, height: 1, channels: 4, data }, plain)]).toEqual([1, 0, 0, 1, 0, 0]);
  });

  test('is normalised channel by channel', () => {
    const data = Uint8Array.from([255, 255, 0]);
    const tensor = toTensor({ width: 1, height: 1, channels: 3, data }, { mean: [0.5, 0, 0.25], std: [0.5, 2, 0.25] });
    expect([...tensor]).toEqual([1, 0.5, -1]);
  });

  test('becomes the same bytes again', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 18, maxLength: 18 }), (data) => {
        const back = fromTensor(toTensor({ width: 3, height: 2, channels: 3, data }, plain), 3, 2);
        expect([...back.data]).toEqual([...data]);
      }),
    );
  });

  test('is rounded half up and clamped', () => {
    const data = Float32Array.from([-0.2, 1.3, 0.5, Number.NaN, 0.1 / 255, 0.6 / 255]);
    expect([...fromTensor(data, 2, 1).data]).toEqual([0, 128, 0, 255, 0, 1]);
  });

  test('of another length is refused', () => {
    expect(() => fromTensor(new Float32Array(11), 2, 2)).toThrow(
      'Expected 12 floats for [1, 3, 2, 2] but received 11.',
    );
  });
});
