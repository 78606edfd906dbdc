import { createLocalPhotos } from '#local/local-photos.ts';
import type { Store } from '#pipeline/ports.ts';
import { localInputs } from './local-inputs.ts';
import { openResults } from './open-results.ts';
import type { AccountOptions } from './options.ts';
import { fromShell } from './paths.ts';

/** The originals, where a person says they are: files and folders as they were given to `run`, or one s3://bucket. Without any, a store of none. */
export async function openPhotos(
  places: readonly string[],
  out: string | undefined,
  account: AccountOptions,
): Promise<Store> {
  const [only] = places;
  if (places.length === 1 && only?.startsWith('s3://')) return (await openResults(only, account)).store;
  return createLocalPhotos(places.length === 0 ? [] : await localInputs(places.map(fromShell), out));
}
