import { systemClock } from '#local/system-clock.ts';
import { rebuildManifest } from '#pipeline/rebuild-manifest.ts';
import { statuses } from '#pipeline/status.ts';
import { type Finding, type Verification, verifyManifest } from '#pipeline/verify-manifest.ts';
import { createCounter } from './counter.ts';
import { exitCodes } from './exit-codes.ts';
import { openResults } from './open-results.ts';
import type { AccountOptions } from './options.ts';
import { printable } from './printable.ts';

export type ManifestOptions = AccountOptions & { readonly json?: boolean };

/** `unmask manifest rebuild`: the manifest anew from metrics/. The old one counts until the new one replaces it, so Ctrl-C does no harm. */
export async function rebuild(location: string, { json = false, ...account }: ManifestOptions): Promise<void> {
  const { store: results } = await openResults(location, account);
  const counter = createCounter('records read', undefined);
  const { counts, aggregates, segments } = await rebuildManifest(
    { results, clock: systemClock },
    { onRead: counter.reached },
  ).finally(counter.stop);
  if (json) return console.log(JSON.stringify({ event: 'manifest', counts, aggregates, segments }));
  const ended = statuses.filter((status) => counts[status] > 0).map((status) => `${counts[status]} ${status}`);
  console.log(`Manifest of ${photosText(aggregates.photos)}${ended.length > 0 ? `: ${ended.join(', ')}` : ''}.`);
}

/** `unmask manifest verify`: does the manifest say what its segments and the records say? Changes nothing; exit code 1 if it does not. */
export async function verify(location: string, { json = false, ...account }: ManifestOptions): Promise<void> {
  const { store: results } = await openResults(location, account);
  const counter = createCounter('records read', undefined);
  const onFinding = (finding: Finding) => {
    counter.stop();
    console.log(json ? JSON.stringify({ event: 'finding', ...finding }) : lineOf(finding));
  };
  const verification = await verifyManifest(
    { results, clock: systemClock },
    { onFinding, onRead: counter.reached },
  ).finally(counter.stop);
  console.log(json ? JSON.stringify({ event: 'verified', ...verification }) : verdictOf(verification, location));
  if (verification.findings > 0) process.exitCode = exitCodes.failed;
}

const lineOf = ({ fault, key, message }: Finding): string =>
  `${fault.padEnd(19)}  ${printable(key)}: ${printable(message)}`;

function verdictOf({ findings, segments, rows, photos, waiting, complete }: Verification, location: string): string {
  const extra = waiting > 0 ? ` ${waiting} of the last minutes are not in it yet.` : '';
  if (findings === 0) {
    return `The manifest is whole: ${photosText(photos)}, ${rows} ${rows === 1 ? 'record' : 'records'} in ${segments} ${segments === 1 ? 'segment' : 'segments'}.${extra}`;
  }
  const left = complete ? '' : ' Sums and records were not compared, because not every segment could be read.';
  return `${findings} ${findings === 1 ? 'finding' : 'findings'}.${left}${extra} \`manifest rebuild ${printable(location)}\` makes the manifest anew from metrics/.`;
}

const photosText = (photos: number): string => `${photos} ${photos === 1 ? 'photo' : 'photos'}`;
