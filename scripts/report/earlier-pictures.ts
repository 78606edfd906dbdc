import { z } from 'zod';
import type { Store } from '#pipeline/ports.ts';
import type { PhotoPictures } from './pictures.ts';

/** Where the page belongs: its links are relative to this key. */
export const reportKey = 'report.html';

const picture = z.base64().optional();
const earlierRows = z.array(
  z.object({
    pictureId: z.string().optional(),
    still: picture,
    faces: z.array(z.object({ number: z.int().positive(), before: picture, after: picture })),
  }),
);

/**
 * The pictures of the report that is there already, by what they show: nothing is decoded twice, and a photo whose original is gone
 * keeps its `before`. A report that cannot be read has none. One GET.
 */
export async function earlierPictures(results: Store): Promise<ReadonlyMap<string, PhotoPictures>> {
  const stored = await results.get(reportKey);
  if (!stored) return new Map();
  const page = new TextDecoder().decode(stored.bytes);
  const [, json] = page.match(/<script type="application\/json" id="report-data">([^<]*)<\/script>/) ?? [];
  const rows = earlierRows.safeParse(jsonOrUndefined(json));
  if (!rows.success) return new Map();
  return new Map(
    rows.data.flatMap(({ pictureId, still, faces }) => {
      if (pictureId === undefined) return [];
      const byIndex = new Map(faces.map(({ number, before, after }) => [number - 1, { before, after }]));
      return [[pictureId, { id: pictureId, still, faces: byIndex }]];
    }),
  );
}

function jsonOrUndefined(json: string | undefined): unknown {
  try {
    return json === undefined ? undefined : JSON.parse(json);
  } catch {
    return undefined;
  }
}
