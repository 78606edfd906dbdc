import { relative, sep } from 'node:path';
import { findPhotoInputs, type PhotoInput } from '#local/photo-inputs.ts';
import { UsageError } from './exit-codes.ts';
import { printable } from './printable.ts';

/**
 * The photos that a person named, in order; results of an earlier run in `out` are none.
 * @throws UsageError when something named is missing, two photos would collide, or there are none.
 */
export async function localInputs(paths: readonly string[], out?: string): Promise<readonly PhotoInput[]> {
  for (const path of paths) {
    if (out !== undefined && (path === out || isInside(path, out))) {
      throw new UsageError(
        `Expected photos outside the results folder but received ${printable(path)} in ${printable(out)}.`,
      );
    }
  }
  const found = await findPhotoInputs(paths, { except: out === undefined ? [] : [out] });
  if ('refused' in found) throw new UsageError(`${found.refused}.`);
  for (const { file, message } of found.unreadable) {
    console.error(`warning: ${printable(file)} was left out: ${message}`);
  }
  if (found.inputs.length === 0) throw new UsageError('Expected at least one photo but the folders given hold none.');
  return found.inputs;
}

/** Files of a references folder under the keys that the pipeline asks for: `references/<path of the photo>`. */
export async function referenceInputs(folder: string): Promise<readonly PhotoInput[]> {
  const found = await findPhotoInputs([folder]);
  if ('refused' in found) throw new UsageError(`${found.refused}.`);
  return found.inputs.map(({ key, file }) => ({ key: key.replace(/^photos\//, 'references/'), file }));
}

function isInside(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`);
}
