import { cp, mkdir, mkdtemp, readdir, rm, stat, symlink, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { App, FileSystem, Stack } from 'aws-cdk-lib';
import { DockerImageAsset } from 'aws-cdk-lib/aws-ecr-assets';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundleImage } from '../../scripts/bundle.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));
let folder: string;
let image: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'unmask-bundle-'));
  image = await bundleImage({ folder: join(folder, 'image') });
}, 120_000);

afterAll(() => rm(folder, { recursive: true }));

/** What CDK names the image by. */
const assetHash = (directory: string): string =>
  new DockerImageAsset(new Stack(new App(), 'Stack'), 'Image', { directory }).assetHash;

describe('the folder that the image is built from', () => {
  test('is the same to CDK from a clone in another folder, made at another time', async () => {
    const clone = join(folder, 'another name');
    await mkdir(clone);
    for (const path of [
      'lambdas',
      'models',
      'examples',
      'package.json',
      'package-lock.json',
      '.npmrc',
      'tsconfig.json',
    ])
      await cp(join(project, path), join(clone, path), {
        recursive: true,
        filter: (from) => !from.includes('training'),
      });
    await symlink(join(project, 'node_modules'), join(clone, 'node_modules'));
    for (const path of await readdir(clone, { recursive: true })) {
      if (!path.startsWith('node_modules')) await utimes(join(clone, path), 1e9, 1e9);
    }
    const second = await bundleImage({ project: clone, folder: join(folder, 'elsewhere') });
    expect(await readdir(second, { recursive: true })).toEqual(await readdir(image, { recursive: true }));
    expect(assetHash(second)).toBe(assetHash(image));
  }, 120_000);

  test('can be read by everybody, whatever the umask', async () => {
    const umask = process.umask(0o077);
    const closed = await bundleImage({ folder: join(folder, 'closed') }).finally(() => process.umask(umask));
    for (const path of ['.', 'models', 'models/models.json', 'unmask.mjs'])
      expect((await stat(join(closed, path))).mode & 0o004).toBe(0o004);
  }, 120_000);

  test('is another to CDK when a network is another', async () => {
    const changed = join(folder, 'changed');
    await cp(image, changed, { recursive: true });
    await cp(join(image, 'models/denoiser.onnx'), join(changed, 'models/rescnn.onnx'));
    expect(FileSystem.fingerprint(changed)).not.toBe(FileSystem.fingerprint(image));
  });

  test('holds handlers, networks, the golden photo and a lock of the native packages, and nothing of the project besides', async () => {
    const names = (await readdir(image)).filter((name) => !/-[A-Z0-9]{8}\.mjs$/.test(name));
    expect(names.sort()).toEqual(
      [
        ...['.npmrc', 'Dockerfile', 'golden', 'models', 'package-lock.json', 'package.json'],
        ...['catalogue', 'check', 'dead-letter', 'reconcile', 'self-test', 'unmask'].map((name) => `${name}.mjs`),
      ].sort(),
    );
    const code = (await readdir(image, { recursive: true })).filter((path) => /\.(ts|py|map)$/.test(path));
    expect(code).toEqual([]);
  });
});
