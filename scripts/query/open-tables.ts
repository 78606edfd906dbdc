import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { isFile } from '#local/replace-file.ts';
import type { Segment } from '#pipeline/manifest.ts';
import { sentenceOf } from './sql-error.ts';
import { tableStatements } from './table-statements.ts';

export type TablesOptions = {
  readonly segments: readonly Segment[];
  /** Files with these segments, verified; asked only when they must be read. */
  readonly files: () => Promise<readonly string[]>;
  readonly cache: string;
  /** More records than this are read once for each state of the manifest and then kept in the cache. Default 10,000, half a second. */
  readonly keptFrom?: number;
  /** Told before so many records are read to be kept: seconds for a hundred thousand. */
  readonly onReading?: ((records: number) => void) | undefined;
};

export type Tables = { readonly connection: DuckDBConnection; close(): void };

/**
 * The tables over a manifest, locked: SQL can read them and nothing else, no file, no network, no extension. Never changes what it read.
 * Two processes may do this at once; one that is stopped leaves nothing that a later one takes for whole.
 */
export async function openTables(options: TablesOptions): Promise<Tables> {
  const { segments, files, cache, keptFrom = 10_000, onReading = () => {} } = options;
  const records = segments.reduce((sum, segment) => sum + segment.records, 0);
  if (records <= keptFrom) {
    const tables = await openDatabase(':memory:');
    await createTables(tables, await files());
    return lock(tables);
  }
  const folder = join(cache, 'tables');
  const file = join(folder, `${identityOf(segments)}.duckdb`);
  const kept = await openKept(file);
  if (kept) return lock(kept);
  const verified = await files();
  onReading(records);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await sweep(folder);
  const unfinished = join(folder, `${randomUUID()}.${process.pid}.unfinished`);
  try {
    const building = await openDatabase(unfinished);
    try {
      await createTables(building, verified);
    } finally {
      building.close();
    }
    await rename(unfinished, file);
  } finally {
    for (const path of [unfinished, `${unfinished}.wal`]) await rm(path, { force: true });
  }
  return lock(await openDatabase(file, { access_mode: 'READ_ONLY' }));
}

/** Extensions are those inside the library; none is fetched, ever. */
const closed = {
  autoinstall_known_extensions: 'false',
  autoload_known_extensions: 'false',
  allow_community_extensions: 'false',
};

async function openDatabase(path: string, options: Readonly<Record<string, string>> = {}): Promise<Tables> {
  const instance = await DuckDBInstance.create(path, { ...closed, ...options });
  const connection = await instance.connect();
  await connection.run("SET TimeZone = 'UTC'");
  // What does not fit into memory would otherwise be written beside the database, or where the person stands.
  await connection.run("SET temp_directory = ''");
  return {
    connection,
    close() {
      connection.closeSync();
      instance.closeSync();
    },
  };
}

async function createTables({ connection }: Tables, files: readonly string[]): Promise<void> {
  try {
    for (const statement of tableStatements(files)) await connection.run(statement);
  } catch (cause) {
    const what = cause instanceof Error ? sentenceOf(cause) : String(cause);
    throw new Error(`Expected segments of metrics records, but ${what} \`manifest rebuild\` makes them anew.`, {
      cause,
    });
  }
}

async function lock(tables: Tables): Promise<Tables> {
  await tables.connection.run('SET enable_external_access = false');
  await tables.connection.run('SET lock_configuration = true');
  return tables;
}

/** Undefined when the file is not there, or is none that this version of DuckDB can read. */
async function openKept(file: string): Promise<Tables | undefined> {
  if (!(await isFile(file))) return undefined;
  try {
    const tables = await openDatabase(file, { access_mode: 'READ_ONLY' });
    await tables.connection.run('FROM photos LIMIT 0');
    await utimes(file, new Date(), new Date()).catch(() => {}); // Only says which were used last.
    return tables;
  } catch {
    await rm(file, { force: true });
    return undefined;
  }
}

/** Changes when the segments do, or what is made of them. */
function identityOf(segments: readonly Segment[]): string {
  const identity = [segments.map(({ sha256 }) => sha256), tableStatements(['segment'])];
  return createHash('sha256').update(JSON.stringify(identity)).digest('hex');
}

/** Tables of so many states of manifests stay: about 200 MB each for a million photos. */
const keptStates = 4;

async function sweep(folder: string): Promise<void> {
  const names = await readdir(folder);
  const orphans = names.filter((name) => /\.\d+\.unfinished/.test(name) && !isRunning(Number(name.split('.')[1])));
  const states = await Promise.all(
    names
      .filter((name) => name.endsWith('.duckdb'))
      .map(async (name) => ({ name, usedAt: (await stat(join(folder, name))).mtimeMs })),
  );
  const stale = states.sort((a, b) => b.usedAt - a.usedAt).slice(keptStates - 1);
  // On Windows a file in use cannot be deleted; then the next sweep does it.
  for (const name of [...orphans, ...stale.map((state) => state.name)])
    await rm(join(folder, name), { force: true }).catch(() => {});
}

function isRunning(processId: number): boolean {
  try {
    return process.kill(processId, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
