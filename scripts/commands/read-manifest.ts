import { type Manifest, manifestKey, parseManifest } from '#pipeline/manifest.ts';
import type { Store } from '#pipeline/ports.ts';
import { UsageError } from './exit-codes.ts';
import { printable } from './printable.ts';

/**
 * The manifest of results at a location as the person gave it.
 * @throws UsageError when there is none.
 */
export async function readManifest(results: Store, location: string): Promise<Manifest> {
  const stored = await results.get(manifestKey);
  if (!stored) {
    throw new UsageError(
      `Expected results with a ${manifestKey} in ${printable(location)} but there is none: \`run\` makes it, \`manifest rebuild\` makes it anew from metrics/.`,
    );
  }
  try {
    return parseManifest(stored.bytes);
  } catch (cause) {
    throw new Error(
      `Expected ${manifestKey} in ${printable(location)} to be a manifest of schemaVersion 1; \`manifest rebuild\` makes it anew from metrics/.`,
      { cause },
    );
  }
}
