import { expect, test } from 'vitest';
import { type Facts, factNames } from '../../scripts/evaluation/case-photos.ts';
import { groupsOf } from '../../scripts/evaluation/groups.ts';
import { type Measures, measureNames } from '../../scripts/evaluation/measures.ts';
import type { Result } from '../../scripts/evaluation/results-file.ts';

/** Faces of case I, the region's PSNR rising by 1 dB from 10 on. */
const faces = (count: number, factsOf: (index: number) => Partial<Facts>): readonly Result[] =>
  Array.from({ length: count }, (_, index) => ({
    case: 'I',
    row: 'rescnn',
    file: `${index}.jpg`,
    digest: '',
    networks: '',
    found: true,
    measures: { ...Object.fromEntries(measureNames.map((name) => [name, 1])), regionPsnr: 10 + index } as Measures,
    facts: { ...(Object.fromEntries(factNames.map((name) => [name, ''])) as Facts), ...factsOf(index) },
  }));

const psnrs = (results: readonly Result[]) =>
  Object.fromEntries(
    groupsOf(results, 'rescnn').map(({ group, summary }) => [group, summary.figures.regionPsnr?.mean ?? null]),
  );

test('a group is measured on the faces that belong to it', () => {
  const ages = ['child', 'adult', 'older'];
  const measured = psnrs(
    faces(15, (index) => ({
      age: ages[Math.floor(index / 5)] ?? '',
      glasses: index < 6 ? '1' : '0',
      beard: index > 8 ? '1' : '0',
      mouth: index < 5 ? '0.01' : index < 10 ? '0.1' : '0.2',
    })),
  );
  expect(measured).toMatchObject({
    all: 17,
    'child (to about 12 years, by eye)': 12,
    adult: 17,
    'older (from about 60, by eye)': 22,
    glasses: 12.5,
    'beard, moustache or stubble': 21.5,
    "lips closed (inner lips apart by < .05 of the eyes' distance)": 12,
    'mouth open (> .15)': 22,
  });
});

test('what is not known of a face puts it into no group', () => {
  expect(Object.keys(psnrs(faces(9, () => ({}))))).toEqual(['all']);
});

test('fewer than five faces are no group', () => {
  expect(Object.keys(psnrs(faces(9, (index) => ({ glasses: index < 4 ? '1' : '0' }))))).toEqual(['all']);
});
