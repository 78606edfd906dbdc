import type { Result } from './results-file.ts';
import { photoKey, type RowSummary, summaryOf } from './summary.ts';

export type Group = { readonly group: string; readonly summary: RowSummary };

/** Fewer say nothing about a group. */
const fewest = 5;

/** How a row does on parts of case I: by pose, skin tone, age, mouth, photo, mask and source. Groups may overlap. */
export function groupsOf(results: readonly Result[], row: string): readonly Group[] {
  const plain = results.filter((result) => result.case === 'I');
  const harmonic = new Map(
    plain.flatMap((result) =>
      result.row === 'harmonic' && result.measures.regionPsnr !== null
        ? [[photoKey(result), result.measures.regionPsnr]]
        : [],
    ),
  );
  const own = plain.filter((result) => result.row === row && result.found);
  const named = [
    ...fixedGroups,
    ...valuesOf(own, 'family').map(
      (family) => [`mask: ${family}`, ({ facts }: Result) => facts.family === family] as const,
    ),
    ...valuesOf(own, 'wear').map((wear) => [`worn: ${wear}`, ({ facts }: Result) => facts.wear === wear] as const),
    ...valuesOf(own, 'source').map(
      (source) => [`source: ${source}`, ({ facts }: Result) => facts.source === source] as const,
    ),
  ];
  return named.flatMap(([group, belongs]) => {
    const members = own.filter(belongs);
    return members.length < fewest ? [] : [{ group, summary: summaryOf('I', row, members, harmonic) }];
  });
}

const valuesOf = (results: readonly Result[], fact: 'family' | 'wear' | 'source'): readonly string[] =>
  [...new Set(results.map(({ facts }) => facts[fact]))].filter((value) => value !== '').sort();

/**
 * Skin tone as individual typology angle in degrees; pose as the nose tip's place between the jaw's ends, 0.5 = frontal; the mouth as the
 * mean gap between the inner lips, as a share of the distance between the eyes. Age, glasses and beards were judged by eye.
 */
const tone = ({ facts }: Result): number => Number(facts.ita || Number.NaN);
const nose = ({ facts }: Result): number => Number(facts.nose || Number.NaN);
const mouth = ({ facts }: Result): number => Number(facts.mouth || Number.NaN);

const fixedGroups: readonly (readonly [string, (result: Result) => boolean])[] = [
  ['all', () => true],
  ['frontal (nose within .44 .. .56 of the jaw)', (result) => nose(result) >= 0.44 && nose(result) <= 0.56],
  ['turned (nose outside .35 .. .65)', (result) => nose(result) < 0.35 || nose(result) > 0.65],
  ['turned far (nose outside .3 .. .7)', (result) => nose(result) < 0.3 || nose(result) > 0.7],
  ['light skin (ITA > 41)', (result) => tone(result) > 41],
  ['intermediate (10 .. 41)', (result) => tone(result) >= 10 && tone(result) <= 41],
  ['dark skin or poor light (ITA < 10)', (result) => tone(result) < 10],
  ['child (to about 12 years, by eye)', ({ facts }) => facts.age === 'child'],
  ['adult', ({ facts }) => facts.age === 'adult'],
  ['older (from about 60, by eye)', ({ facts }) => facts.age === 'older'],
  ['glasses', ({ facts }) => facts.glasses === '1'],
  ['beard, moustache or stubble', ({ facts }) => facts.beard === '1'],
  ["lips closed (inner lips apart by < .05 of the eyes' distance)", (result) => mouth(result) < 0.05],
  ['mouth open (> .15)', (result) => mouth(result) > 0.15],
  ['grey photo', ({ facts }) => facts.grey === '1'],
  ['soft photo (eyes < 60 px in the source)', ({ facts }) => facts.soft === '1'],
  ['sharp photo', ({ facts }) => facts.soft === '0'],
];
