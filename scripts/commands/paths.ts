import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const project = fileURLToPath(new URL('../..', import.meta.url));

/** A path as the person typed it: npm runs scripts in the project's folder and keeps theirs in INIT_CWD. */
export const fromShell = (path: string): string => resolve(process.env.INIT_CWD ?? process.cwd(), path);

/** A path inside the project, wherever it is run from. */
export const fromProject = (path: string): string => resolve(project, path);
