import { chmod, cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';
import { z } from 'zod';

const thisProject = fileURLToPath(new URL('..', import.meta.url));

/** Native code, which no bundle can hold: the image installs it for its own architecture. */
const external = ['sharp', 'onnxruntime-node'];

const entries = ['check', 'unmask', 'dead-letter', 'catalogue', 'reconcile', 'self-test'];

export type BundleOptions = {
  /** Where to, emptied first. Default: dist/image in the project. */
  readonly folder?: string;
  /** Default: UNMASK_MODELS in the environment, your own training say, or models/ in the project. */
  readonly models?: string;
  /** The sources. Default: this project. */
  readonly project?: string;
};

/**
 * Gathers everything that the container image is built from, and nothing else, so that the same sources give the same asset hash: the
 * handlers bundled, the networks, the golden photo, the Dockerfile, and a lock file of the native packages alone. About 0.3 s.
 * @returns the folder
 */
export async function bundleImage(options: BundleOptions = {}): Promise<string> {
  const { project = thisProject } = options;
  const { folder = join(project, 'dist', 'image'), models = process.env.UNMASK_MODELS ?? join(project, 'models') } =
    options;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await Promise.all([
    bundleHandlers(project, folder),
    writeLock(project, folder),
    copyModels(models, join(folder, 'models')),
    cp(join(project, 'lambdas/Dockerfile'), join(folder, 'Dockerfile')),
    cp(join(project, '.npmrc'), join(folder, '.npmrc')),
    cp(join(project, 'examples/photos/frontal.jpg'), join(folder, 'golden/photos/frontal.jpg')),
    cp(join(project, 'examples/references/frontal.jpg'), join(folder, 'golden/references/frontal.jpg')),
  ]);
  await makeReadable(folder);
  return folder;
}

/** Whatever this machine's umask is, Lambda's user must read the files; and the same files make the same layers. */
async function makeReadable(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true }))
    await chmod(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o755 : 0o644);
}

async function bundleHandlers(project: string, folder: string): Promise<void> {
  await build({
    absWorkingDir: project,
    entryPoints: entries.map((entry) => `lambdas/entries/${entry}.ts`),
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    external,
    // AWS's and X-Ray's packages as ES modules, of which what nobody uses falls away: a quarter of the JavaScript's share of a start.
    mainFields: ['module', 'main'],
    plugins: [withoutTranslations, builtinsByRequire],
    // Paths in the output are those of the project, wherever node_modules really is.
    preserveSymlinks: true,
    minifySyntax: true,
    minifyWhitespace: true,
    // Names stay, so that a stack trace in the log says where.
    minifyIdentifiers: false,
    legalComments: 'none',
    // CommonJS packages (the X-Ray SDK) ask for Node's modules by require.
    banner: {
      js: "import{createRequire as unmaskRequire}from'node:module';const require=unmaskRequire(import.meta.url);",
    },
    logLevel: 'warning',
  });
}

/** Zod's messages in fifty languages, of which ours are English: 280 kB that every start would compile. */
const withoutTranslations: Plugin = {
  name: 'without-translations',
  setup({ onLoad }) {
    onLoad({ filter: /zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({ contents: 'export {};' }));
  },
};

/**
 * Node's own modules by require. An import of `node:http` reads every name that it exports, and so starts parts, WebSocket and fetch, that
 * no handler uses.
 */
const builtinsByRequire: Plugin = {
  name: 'builtins-by-require',
  setup({ onResolve, onLoad }) {
    const names = builtinModules.filter((name) => !name.startsWith('node:'));
    onResolve({ filter: new RegExp(`^(node:)?(${names.join('|')})$`) }, ({ path, kind }) =>
      kind === 'import-statement'
        ? { path: path.replace(/^node:/, ''), namespace: 'builtin' }
        : { path, external: true },
    );
    onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = require('node:${path}');`,
    }));
  },
};

const modelsSchema = z.object({ models: z.array(z.object({ file: z.string().regex(/^[\w.-]+\.onnx$/) })) });

/** models.json and the networks that it names; not the training. */
async function copyModels(from: string, to: string): Promise<void> {
  const text = await readFile(join(from, 'models.json'), 'utf8');
  const { models } = modelsSchema.parse(JSON.parse(text));
  await mkdir(to, { recursive: true });
  await writeFile(join(to, 'models.json'), text);
  await Promise.all(models.map(({ file }) => cp(join(from, file), join(to, file))));
}

const packageSchema = z.looseObject({
  dependencies: z.record(z.string(), z.string()).optional(),
  optionalDependencies: z.record(z.string(), z.string()).optional(),
});
const lockSchema = z.object({ lockfileVersion: z.literal(3), packages: z.record(z.string(), packageSchema) });

/** package.json and package-lock.json of the native packages and what they need, as locked in the project. */
async function writeLock(project: string, folder: string): Promise<void> {
  const { packages } = lockSchema.parse(JSON.parse(await readFile(join(project, 'package-lock.json'), 'utf8')));
  const wanted = packages['']?.dependencies ?? {};
  const dependencies = Object.fromEntries(external.map((name) => [name, wanted[name] ?? missing(name)]));
  const name = 'unmask-image';
  const root = { name, private: true, type: 'module', dependencies };
  const lock = {
    name,
    lockfileVersion: 3,
    requires: true,
    packages: { '': { name, dependencies }, ...closure(packages, external) },
  };
  await writeFile(join(folder, 'package.json'), `${JSON.stringify(root, null, 2)}\n`);
  await writeFile(join(folder, 'package-lock.json'), `${JSON.stringify(lock, null, 2)}\n`);
}

type Packages = z.infer<typeof lockSchema>['packages'];

/** The packages by these names, all that they need, and so on, in the order of the lock file. */
function closure(packages: Packages, names: readonly string[]): Packages {
  const found = new Set<string>();
  const follow = (from: string, name: string): void => {
    const path = resolvePackage(packages, from, name);
    if (path === undefined || found.has(path)) return;
    found.add(path);
    const { dependencies = {}, optionalDependencies = {} } = packages[path] ?? {};
    for (const next of Object.keys({ ...dependencies, ...optionalDependencies })) follow(path, next);
  };
  for (const name of names) follow('', name);
  return Object.fromEntries(Object.entries(packages).filter(([path]) => found.has(path)));
}

/** Where Node finds the package: in the nearest node_modules on the way up. */
function resolvePackage(packages: Packages, from: string, name: string): string | undefined {
  for (
    let folder = from;
    ;
    folder = folder.includes('/node_modules/') ? folder.slice(0, folder.lastIndexOf('/node_modules/')) : ''
  ) {
    const path = folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`;
    if (packages[path]) return path;
    if (folder === '') return undefined;
  }
}

function missing(name: string): never {
  throw new Error(`Expected ${name} among the dependencies of package.json.`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(await bundleImage());
