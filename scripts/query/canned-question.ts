import type { Status } from '#pipeline/status.ts';

/** Questions that people ask often, as flags; any of them together. */
export type CannedQuestion = {
  readonly status?: readonly Status[] | undefined;
  /** So many photos, the worst first: least PSNR under the mask; after them those without a reference, by the most visible seam. */
  readonly worst?: number | undefined;
  /** Photos whose record is of then or later. */
  readonly since?: Date | undefined;
  readonly facesMin?: number | undefined;
};

/** The SQL that the flags stand for; without any, how many photos ended in each status. */
export function sqlOf(question: CannedQuestion): string {
  const { status = [], worst, since, facesMin } = question;
  const conditions = [
    status.length > 0 && `status IN (${status.map((name) => `'${name}'`).join(', ')})`,
    since && `created_at >= '${since.toISOString()}'`,
    facesMin !== undefined && `faces >= ${facesMin}`,
    worst !== undefined && 'unmasked_faces > 0',
  ].filter((condition) => typeof condition === 'string');
  if (conditions.length === 0) {
    return ['SELECT status, count(*) AS photos', 'FROM photos', 'GROUP BY status', 'ORDER BY photos DESC, status'].join(
      '\n',
    );
  }
  const columns =
    worst === undefined
      ? 'path, status, faces, unmasked_faces, created_at, reason'
      : 'path, status, faces, unmasked_faces, region_psnr, region_ssim, seam, created_at';
  return [
    `SELECT ${columns}`,
    'FROM photos',
    `WHERE ${conditions.join('\n  AND ')}`,
    ...(worst === undefined
      ? ['ORDER BY path']
      : ['ORDER BY region_psnr ASC NULLS LAST, seam DESC, path', `LIMIT ${worst}`]),
  ].join('\n');
}
