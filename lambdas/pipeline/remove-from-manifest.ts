import type { CatalogueTools } from './catalogue.ts';
import { type Manifest, manifestKey, parseManifest, summarise } from './manifest.ts';
import { deleteUnnamed, movePointer, readSegment, writeSegment } from './manifest-files.ts';
import type { MetricsRecord } from './metrics-record.ts';

export type RemovedFromManifest = {
  /** Of each line that the manifest no longer has, the key of its photo. A line is one version of a photo. */
  readonly lines: readonly string[];
  /** Files under manifest/ that were deleted: those that held such lines, and old ones that nobody reads. */
  readonly segments: readonly string[];
};

const attempts = 12;

/**
 * Takes photos out of the manifest, every version of them, and deletes every segment that held a line of theirs, so that no reader finds
 * them any more; the other lines stay. Their records under metrics/ must be gone before, or a rebuild brings them back. Reads every segment
 * twice, about 3 s per 100,000 photos, and those of the last hour that the manifest no longer names.
 * @throws Error when others kept moving the pointer, or a segment is damaged.
 */
export async function removeFromManifest(
  isRemoved: (photoKey: string) => boolean,
  tools: CatalogueTools,
): Promise<RemovedFromManifest> {
  const { results, clock } = tools;
  const isRefused = ({ photo }: MetricsRecord) => isRemoved(photo.key);
  const lines: string[] = [];
  for (let attempt = 0; attempt < attempts; attempt++) {
    const stored = await results.get(manifestKey);
    const { segments } = stored ? parseManifest(stored.bytes) : { segments: [] };
    const read = await Promise.all(
      segments.map(async (segment) => ({ segment, records: await readSegment(segment, results) })),
    );
    const touched = read.filter(({ records }) => records.some(isRefused));
    // Also after a move: what others wrote meanwhile is seen only by reading again.
    if (touched.length === 0) return { lines, segments: await deleteUnnamed({ segments }, tools, isRefused) };
    const untouched = read.filter((one) => !touched.includes(one));
    const loose = touched.flatMap(({ records }) => records.filter((record) => !isRefused(record)));
    const manifest: Manifest = {
      schemaVersion: 1,
      ...summarise([...untouched.flatMap(({ records }) => records), ...loose]),
      updatedAt: clock.now().toISOString(),
      segments: [
        ...untouched.map(({ segment }) => segment),
        ...(loose.length > 0 ? [await writeSegment(loose, tools)] : []),
      ],
    };
    if (!(await movePointer(manifest, stored, results))) continue;
    for (const { records } of touched) {
      for (const record of records) if (isRefused(record)) lines.push(record.photo.key);
    }
  }
  throw new Error(`The manifest kept changing under ${attempts} conditional writes.`);
}
