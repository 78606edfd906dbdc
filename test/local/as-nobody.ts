import { chmod } from 'node:fs/promises';

/** The user `nobody` on Linux; any number without rights will do. */
const nobody = 65534;

/**
 * Does something in a folder without the rights of root, to whom nothing is forbidden; anybody else does it as he is. Files have to be
 * readable for all.
 */
export async function asNobody<Result>(folder: string, work: () => Promise<Result>): Promise<Result> {
  if (process.geteuid?.() !== 0) return work();
  await chmod(folder, 0o755);
  process.seteuid?.(nobody);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
  }
}
