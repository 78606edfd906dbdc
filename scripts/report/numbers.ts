/** Numbers as the page writes them: the same on every machine, whatever its language. */

const grouped = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

export const countText = (count: number): string => grouped.format(count);

export const decimalText = (value: number, digits: number): string => value.toFixed(digits);

/** `1 photo`, `2,000 photos`. */
export const pluralText = (count: number, noun: string): string =>
  `${countText(count)} ${noun}${count === 1 ? '' : 's'}`;

export function durationText(milliseconds: number): string {
  if (milliseconds < 1000) return `${decimalText(milliseconds, milliseconds > 0 && milliseconds < 10 ? 1 : 0)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 120) return `${decimalText(seconds, seconds < 10 ? 2 : 1)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${decimalText(seconds / 3600, 1)} h`;
}

/** Parts of a whole; a part that exists is never shown as nothing, nor one that misses some as all. */
export function shareText(part: number, whole: number): string {
  if (whole === 0 || part === 0) return '0 %';
  const percent = (100 * part) / whole;
  if (percent < 1) return '< 1 %';
  if (part < whole && percent > 99) return '> 99 %';
  return `${Math.round(percent)} %`;
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
