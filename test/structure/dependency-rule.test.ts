import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';

const project = fileURLToPath(new URL('../..', import.meta.url));

// Arrows point down only: cli, lambdas -> {aws, local, vision} -> pipeline -> image.
const forbidden = [
  ['lambdas/image', 'node:fs'],
  ['lambdas/image', '#pipeline/face.ts'],
  ['lambdas/image', 'sharp'],
  ['lambdas/pipeline', '#vision/codec.ts'],
  ['lambdas/pipeline', '#aws/s3-store.ts'],
  ['lambdas/pipeline', '#local/folder-store.ts'],
  ['lambdas/pipeline', 'sharp'],
  ['lambdas/pipeline', '@aws-sdk/client-s3'],
  ['lambdas/vision', '#aws/s3-store.ts'],
  ['lambdas/vision', '@aws-sdk/client-sqs'],
  ['lambdas/aws', '#vision/codec.ts'],
  ['lambdas/aws', 'onnxruntime-node'],
  ['scripts/commands', 'sharp'],
  ['scripts/local', '@aws-sdk/client-s3'],
] as const;

const allowed = [
  ['lambdas/image', './raster.ts'],
  ['lambdas/pipeline', '#image/raster.ts'],
  ['lambdas/vision', 'sharp'],
  ['lambdas/vision', '#pipeline/ports.ts'],
  ['lambdas/aws', '@aws-sdk/client-s3'],
  ['scripts/commands', '#vision/codec.ts'],
] as const;

const probe = (room: string, imported: string) => `${room}/probe-${imported.replace(/\W/g, '-')}.ts`;

/** Every arrow as a file in an empty project with our biome.json, linted in one go. */
let complaints: string;

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'unmask-lint-'));
  await cp(join(project, 'biome.json'), join(folder, 'biome.json'));
  for (const [room, imported] of [...forbidden, ...allowed]) {
    const file = join(folder, probe(room, imported));
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, `import * as imported from '${imported}';\n\nexport const kept = imported;\n`);
  }
  const args = ['lint', '--only=style/noRestrictedImports', '--max-diagnostics=none', '--colors=off', '.'];
  complaints = await new Promise((resolve, reject) => {
    const biome = join(project, 'node_modules', '.bin', 'biome');
    const child = execFile(biome, args, { cwd: folder }, (_, stdout, stderr) => resolve(stdout + stderr));
    child.on('error', reject);
  });
});

test.for(forbidden)('%s may not import %s', ([room, imported]) => {
  expect(complaints).toContain(`${probe(room, imported)}:1:`);
});

test.for(allowed)('%s may import %s', ([room, imported]) => {
  expect(complaints).not.toContain(`${probe(room, imported)}:1:`);
});
