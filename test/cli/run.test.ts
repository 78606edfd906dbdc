import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { parseManifest } from '#pipeline/manifest.ts';
import { parseMetricsRecord } from '#pipeline/metrics-record.ts';
import { type CliResult, examples, lineFrom, photoEvents, project, runCli, startCli, temporaryFolder } from './cli.ts';

const expected: Readonly<Record<string, string>> = {
  'bare.jpg': 'bare',
  'frontal.jpg': 'unmasked',
  'large-face.jpg': 'unmasked',
  'no-face.jpg': 'no-face',
  'noisy.jpg': 'unmasked',
  'one-of-two-masked.jpg': 'unmasked',
  'patterned.jpg': 'unmasked',
  'phone-portrait.jpg': 'unmasked',
  'rotated.jpg': 'unmasked',
  'two-faces.jpg': 'unmasked',
  'under-nose.jpg': 'unmasked',
};

describe('the examples', () => {
  let out: string;
  let result: CliResult;
  const record = async (path: string) => parseMetricsRecord(await readFile(join(out, 'metrics', `${path}.json`)));

  beforeAll(async () => {
    out = join(await temporaryFolder(), 'results');
    result = await runCli(['run', '--out', out, '--json']);
  });

  test('every photo ends as its content says, and the exit code is 0', () => {
    const statuses = Object.fromEntries(
      [...photoEvents(result.stdout)].map(([path, { record }]) => [path, record.status]),
    );
    expect(statuses).toEqual(expected);
    expect(result.code).toBe(0);
  });

  test('the manifest counts add up to the photos', async () => {
    const manifest = parseManifest(await readFile(join(out, 'manifest', 'manifest.json')));
    expect(Object.values(manifest.counts).reduce((sum, count) => sum + count, 0)).toBe(Object.keys(expected).length);
    expect(manifest.counts).toEqual({ unmasked: 9, bare: 1, 'no-face': 1, rejected: 0, failed: 0 });
    for (const { key, sha256 } of manifest.segments) {
      expect(
        createHash('sha256')
          .update(await readFile(join(out, key)))
          .digest('hex'),
      ).toBe(sha256);
    }
  });

  test('an unmasked photo has the size and format of the photo, upright', async () => {
    for (const path of Object.keys(expected).filter((path) => expected[path] === 'unmasked')) {
      const { width, height } = await record(path).then(({ photo }) => photo);
      const metadata = await sharp(join(out, 'unmasked', path)).metadata();
      expect({ path, ...metadata }).toMatchObject({ path, width, height, format: 'jpeg' });
      expect(metadata.orientation ?? 1).toBe(1);
    }
  });

  test('an unmasked photo says that it is synthetic', async () => {
    const { xmp, exif } = await sharp(join(out, 'unmasked', 'frontal.jpg')).metadata();
    expect(xmp?.toString()).toContain(
      'http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia',
    );
    expect(exif).toBeUndefined();
  });

  test('photos with a reference have their quality measured, the others have none', async () => {
    const quality = (await record('frontal.jpg')).faces[0]?.quality;
    expect(quality?.psnr).toBeGreaterThan(20);
    expect(quality?.regionPsnr).toBeGreaterThan(10);
    expect(quality?.regionPsnr).toBeLessThan(quality?.psnr ?? 0);
    expect((await record('bare.jpg')).faces[0]?.quality).toBeNull();
  });

  test('a mask is worn by the left of two people only, and only that face changes', async () => {
    const { faces } = await record('one-of-two-masked.jpg');
    const [left, right] = [...faces].sort((a, b) => a.box.x - b.box.x);
    expect([left?.masked, right?.masked]).toEqual([true, false]);
    expect(left?.seam).not.toBeNull();
    expect(right?.seam).toBeNull();
  });

  test('a rolled head is found with its roll', async () => {
    const [face] = (await record('rotated.jpg')).faces;
    expect(Math.abs(face?.rollDegrees ?? 0)).toBeGreaterThan(20);
    expect(Math.abs(face?.rollDegrees ?? 0)).toBeLessThan(36);
  });

  test('the noisy photo is denoised before it is unmasked, the clean one is not', async () => {
    const [noisy] = (await record('noisy.jpg')).faces;
    const [clean] = (await record('frontal.jpg')).faces;
    expect(noisy?.denoised).toBe(true);
    expect(noisy?.noiseSigma).toBeGreaterThan(clean?.noiseSigma ?? 0);
    expect(clean?.denoised).toBe(false);
  });

  test('the report is one page that says what is imagined', async () => {
    const page = await readFile(join(out, 'report.html'), 'utf8');
    expect(page).toContain('imagined');
    expect(page).toContain('frontal.jpg');
  });

  test('the same command again does nothing, says so and keeps the results', async () => {
    const before = await stat(join(out, 'unmasked', 'frontal.jpg'));
    const again = await runCli(['run', '--out', out, '--json']);
    const events = [...photoEvents(again.stdout).values()];
    expect(events).toHaveLength(Object.keys(expected).length);
    expect(events.every(({ skipped }) => skipped)).toBe(true);
    expect((await stat(join(out, 'unmasked', 'frontal.jpg'))).mtimeMs).toBe(before.mtimeMs);
    expect(JSON.parse(again.stdout.trim().split('\n').at(-1) ?? '')).toMatchObject({ event: 'summary', skipped: 11 });
  });

  test('--force does it again, to the same bytes', async () => {
    const photo = join(examples, 'frontal.jpg');
    const before = await readFile(join(out, 'unmasked', 'frontal.jpg'));
    const forced = await runCli(['run', photo, '--out', out, '--force', '--json']);
    expect(photoEvents(forced.stdout).get('frontal.jpg')?.skipped).toBe(false);
    expect((await readFile(join(out, 'unmasked', 'frontal.jpg'))).equals(before)).toBe(true);
  });

  test('another model does the work again', async () => {
    const photo = join(examples, 'frontal.jpg');
    const other = await runCli(['run', photo, '--out', out, '--model', 'rescnn-fidelity', '--json']);
    expect(photoEvents(other.stdout).get('frontal.jpg')?.skipped).toBe(false);
    expect((await record('frontal.jpg')).model.name).toBe('rescnn-fidelity');
  });

  test('a photo that changed under its name is done again and counted once', async () => {
    const folder = await temporaryFolder();
    const results = join(folder, 'out');
    await mkdir(join(folder, 'in'));
    await cp(join(examples, 'no-face.jpg'), join(folder, 'in', 'a.jpg'));
    await runCli(['run', join(folder, 'in'), '--out', results]);
    await cp(join(examples, 'bare.jpg'), join(folder, 'in', 'a.jpg'));
    await runCli(['run', join(folder, 'in'), '--out', results]);
    const { counts } = parseManifest(await readFile(join(results, 'manifest', 'manifest.json')));
    expect(counts).toMatchObject({ bare: 1, 'no-face': 0 });
  });
});

describe('whatever is thrown at it', () => {
  const awkward: Readonly<Record<string, { readonly bytes: () => Promise<Uint8Array>; readonly ends: string }>> = {
    'empty.jpg': { bytes: async () => new Uint8Array(), ends: 'empty' },
    'notes.txt': { bytes: async () => Buffer.from('milk, eggs'), ends: 'not-an-image' },
    'drawing.svg': {
      bytes: async () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'),
      ends: 'unsupported-format',
    },
    'letter.pdf': { bytes: async () => Buffer.from('%PDF-1.7\n'), ends: 'unsupported-format' },
    'dot.png': { bytes: async () => sharp(flat(1, 1)).png().toBuffer(), ends: 'too-small' },
    'cut.jpg': {
      bytes: async () => (await readFile(join(examples, 'frontal.jpg'))).subarray(0, 20_000),
      ends: 'truncated',
    },
    'phone.heic': { bytes: async () => Buffer.from('\0\0\0\x18ftypheic\0\0\0\0heicmif1', 'latin1'), ends: 'heic' },
    'deep/er/wall.png': { bytes: async () => sharp(flat(200, 200)).png().toBuffer(), ends: 'no-face' },
    'with space % and + ümlaut 照片.png': { bytes: async () => sharp(flat(64, 64)).png().toBuffer(), ends: 'no-face' },
    'new\nline.png': { bytes: async () => sharp(flat(64, 64)).png().toBuffer(), ends: 'no-face' },
    [`${'long '.repeat(48)}name.png`]: { bytes: async () => sharp(flat(64, 64)).png().toBuffer(), ends: 'no-face' },
    [`${'folder/'.repeat(140)}deep.png`]: { bytes: async () => sharp(flat(64, 64)).png().toBuffer(), ends: 'no-face' },
  };

  test('every file ends in one state with its reason, the good photo goes on, the exit code is 0', async () => {
    const folder = await temporaryFolder();
    const photos = join(folder, 'photos');
    for (const [path, { bytes }] of Object.entries(awkward)) {
      await mkdir(join(photos, path, '..'), { recursive: true });
      await writeFile(join(photos, path), await bytes());
    }
    await cp(join(examples, 'bare.jpg'), join(photos, 'zz-good.jpg'));
    await writeFile(join(photos, '.DS_Store'), 'not a photo');

    const result = await runCli(['run', photos, '--out', join(folder, 'out'), '--json']);
    const events = photoEvents(result.stdout);
    const endings = Object.fromEntries(
      [...events].map(([path, { record }]) => [path, record.reason?.code ?? record.status]),
    );
    expect(endings).toEqual({
      ...Object.fromEntries(Object.entries(awkward).map(([path, { ends }]) => [path, ends])),
      'zz-good.jpg': 'bare',
    });
    expect(result.code).toBe(0);
    const { counts } = parseManifest(await readFile(join(folder, 'out', 'manifest', 'manifest.json')));
    expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(Object.keys(awkward).length + 1);
  });
});

const flat = (width: number, height: number) => ({
  create: { width, height, channels: 3 as const, background: { r: 120, g: 130, b: 140 } },
});

describe('wrong usage', () => {
  const refused = async (args: readonly string[], message: RegExp) => {
    const out = join(await temporaryFolder(), 'out');
    const { code, stderr } = await runCli([...args, '--out', out]);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) });
    await expect(stat(out)).rejects.toThrow('ENOENT');
  };

  test('a photo that does not exist', () =>
    refused(['run', '/nowhere/anna.jpg'], /There is no file or folder .*anna\.jpg/));
  test('a mistyped command', () =>
    refused(['modles'], /There is no file or folder .*modles\. Nor is modles a command: --help lists them/));
  test('a model that does not exist', () =>
    refused(['run', examples, '--model', 'gan'], /Expected one of rescnn.* received gan/));
  test('an option that does not exist', () =>
    refused(['run', examples, '--modle', 'rescnn'], /unknown option '--modle'.*--model/s));
  test('a mode that does not exist', () =>
    refused(['run', examples, '--denoise', 'all'], /Allowed choices are region, photo, off/));
  test('a concurrency of none', () => refused(['run', examples, '--concurrency', '0'], /whole number of 1 or more/));

  test('two photos that would get the same name', async () => {
    const folder = await temporaryFolder();
    for (const side of ['left', 'right']) {
      await mkdir(join(folder, side));
      await cp(join(examples, 'bare.jpg'), join(folder, side, 'a.jpg'));
    }
    await refused(['run', join(folder, 'left'), join(folder, 'right')], /would both become photos\/a\.jpg/);
  });

  test('a folder without photos', async () => refused(['run', await temporaryFolder()], /at least one photo/));
});

test('--help shows every command with its meaning, --version the version', async () => {
  const help = await runCli(['--help']);
  expect(help.code).toBe(0);
  for (const command of ['run', 'watch', 'check', 'models', 'doctor', 'schema'])
    expect(help.stdout).toMatch(new RegExp(`^ +${command}\\b`, 'm'));
  expect(help.stdout).toContain('imagined');
  const { version } = JSON.parse(await readFile(join(project, 'package.json'), 'utf8'));
  expect((await runCli(['--version'])).stdout.trim()).toBe(version);
});

test('check says who wears a mask and writes nothing', async () => {
  const cwd = await temporaryFolder();
  const { code, stdout } = await runCli(
    ['check', join(examples, 'frontal.jpg'), join(examples, 'bare.jpg'), '--json'],
    { cwd },
  );
  const verdicts = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(verdicts).toMatchObject([
    { key: 'photos/bare.jpg', verdict: 'bare' },
    { key: 'photos/frontal.jpg', verdict: 'masked' },
  ]);
  expect(code).toBe(0);
  expect(await readdir(cwd)).toEqual([]);
});

/** The environment of a run by published networks with one parameter changed. */
async function withParameter(name: string, parameter: string, value: unknown): Promise<Record<string, string>> {
  const folder = await temporaryFolder();
  await cp(join(project, 'models'), folder, { recursive: true, filter: (path) => !path.includes('training') });
  const held = JSON.parse(await readFile(join(folder, 'models.json'), 'utf8'));
  const { parameters } = held.models.find((model: { name: string }) => model.name === name);
  expect(parameters).toHaveProperty(parameter);
  parameters[parameter] = value;
  await writeFile(join(folder, 'models.json'), JSON.stringify(held));
  return { UNMASK_MODELS: folder };
}

test('check says of which faces it is unsure', async () => {
  const unsure = await withParameter('mask-detector', 'abstain', [0, 1]);
  const photo = join(examples, 'frontal.jpg');
  const [usual, doubting] = [await runCli(['check', photo]), await runCli(['check', photo], { env: unsure })];
  expect(usual.stdout).toMatch(/P\(mask\) \d\.\d\d, roll/);
  expect(doubting.stdout).toMatch(/P\(mask\) \d\.\d\d \(unsure\), roll/);
});

test('another threshold works on the photos again, the same one does not', async () => {
  const out = join(await temporaryFolder(), 'out');
  const photos = [join(examples, 'no-face.jpg'), join(examples, 'bare.jpg')];
  const env = await withParameter('eye-locator', 'presenceThreshold', 0.8);
  const skipped = async (environment: Record<string, string>) => {
    const { stdout } = await runCli(['run', ...photos, '--out', out, '--json'], { env: environment });
    return [...photoEvents(stdout).values()].map((event) => event.skipped);
  };
  expect(await skipped({})).toEqual([false, false]);
  expect(await skipped(env)).toEqual([false, false]);
  expect(await skipped(env)).toEqual([true, true]);
});

describe('a reader that goes away, as `head` does', () => {
  const cutOff = (args: readonly string[]): Promise<CliResult> => {
    const { child, result } = startCli(args);
    child.stdout?.once('data', () => child.stdout?.destroy());
    return result;
  };

  test('ends what is for the reader alone, without an error', async () => {
    expect(await cutOff(['check', examples])).toMatchObject({ code: 0, stderr: '' });
  });

  test('does not keep a run from finishing its photos', async () => {
    const out = await temporaryFolder();
    const photos = ['bare.jpg', 'frontal.jpg', 'two-faces.jpg'];
    const { code, stderr } = await cutOff([
      'run',
      ...photos.map((name) => join(examples, name)),
      '--out',
      out,
      '--json',
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect((await readdir(join(out, 'metrics'))).sort()).toEqual(photos.map((name) => `${name}.json`));
  });
});

test('models that are missing are an error that says what to do', async () => {
  const empty = await temporaryFolder();
  const { code, stderr } = await runCli(['run', examples, '--out', join(empty, 'out')], {
    env: { UNMASK_MODELS: empty },
  });
  expect(code).toBe(1);
  expect(stderr).toMatch(/models\.json cannot be read.*git checkout models/);
});

test('a model file that was altered stops the run before any photo', async () => {
  const folder = await temporaryFolder();
  await cp(join(project, 'models'), folder, { recursive: true });
  await writeFile(join(folder, 'rescnn.onnx'), 'rot');
  const { code, stderr } = await runCli(['run', examples, '--out', join(folder, 'out')], {
    env: { UNMASK_MODELS: folder },
  });
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/is not the model rescnn/) });
  await expect(stat(join(folder, 'out'))).rejects.toThrow('ENOENT');
});

test('a photo that fails makes the exit code 1, and is counted', async () => {
  const folder = await temporaryFolder();
  await cp(join(project, 'models'), folder, { recursive: true });
  // A network that is what models.json names, and is no network: every unmasking throws.
  const models = JSON.parse(await readFile(join(folder, 'models.json'), 'utf8'));
  const rescnn = models.models.find(({ name }: { name: string }) => name === 'rescnn');
  rescnn.sha256 = createHash('sha256').update('rot').digest('hex');
  await writeFile(join(folder, 'rescnn.onnx'), 'rot');
  await writeFile(join(folder, 'models.json'), JSON.stringify(models));
  const out = join(folder, 'out');
  const photos = [join(examples, 'frontal.jpg'), join(examples, 'bare.jpg')];
  const { code } = await runCli(['run', ...photos, '--out', out], { env: { UNMASK_MODELS: folder } });
  expect(code).toBe(1);
  const { counts } = parseManifest(await readFile(join(out, 'manifest', 'manifest.json')));
  expect(counts).toMatchObject({ bare: 1, failed: 1 });
});

test('models lists and verifies every network', async () => {
  const { code, stdout } = await runCli(['models', '--json']);
  const names = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .map(({ name, fault }) => ({ name, fault }));
  expect(names).toEqual(
    expect.arrayContaining(['mask-detector', 'denoiser', 'rescnn', 'rescnn-56'].map((name) => ({ name, fault: null }))),
  );
  expect(code).toBe(0);
});

test('Ctrl-C finishes the photos in hand, counts them, and the same command does the rest', async () => {
  const folder = await temporaryFolder();
  const photos = join(folder, 'photos');
  const out = join(folder, 'out');
  await mkdir(photos);
  for (let index = 0; index < 40; index++) await cp(join(examples, 'bare.jpg'), join(photos, `${index}.jpg`));

  const { child, result } = startCli(['run', photos, '--out', out, '--json', '--concurrency', '1']);
  await lineFrom(child, 'stdout', (line) => line.includes('"photo"'));
  child.kill('SIGINT');
  const { code, stdout, stderr } = await result;
  const done = photoEvents(stdout).size;
  expect(code).toBe(130);
  expect(stderr).toContain('the same command again does the rest');
  expect(done).toBeGreaterThan(0);
  expect(done).toBeLessThan(40);
  expect(await readdir(join(out, 'metrics'))).toHaveLength(done);
  const manifest = async () => parseManifest(await readFile(join(out, 'manifest', 'manifest.json')));
  expect((await manifest()).counts.bare).toBe(done);

  const rest = await runCli(['run', photos, '--out', out, '--json']);
  expect([...photoEvents(rest.stdout).values()].filter(({ skipped }) => skipped)).toHaveLength(done);
  expect((await manifest()).counts.bare).toBe(40);
});

test('watch processes photos as they are dropped in, nested ones too, until Ctrl-C', async () => {
  const folder = await temporaryFolder();
  const inbox = join(folder, 'inbox');
  await mkdir(inbox);
  const { child, result } = startCli(['watch', inbox, '--out', join(folder, 'out'), '--json']);
  await lineFrom(child, 'stderr', (line) => line.startsWith('Watching'));
  const first = lineFrom(child, 'stdout', (line) => line.includes('photos/now.jpg'));
  await cp(join(examples, 'bare.jpg'), join(inbox, 'now.jpg'));
  expect(JSON.parse(await first)).toMatchObject({ event: 'photo', record: { status: 'bare' } });
  const second = lineFrom(child, 'stdout', (line) => line.includes('photos/later/then.jpg'));
  await mkdir(join(inbox, 'later'));
  await cp(join(examples, 'no-face.jpg'), join(inbox, 'later', 'then.jpg'));
  expect(JSON.parse(await second)).toMatchObject({ record: { status: 'no-face' } });
  child.kill('SIGINT');
  expect((await result).code).toBe(0);
  expect(await readdir(join(folder, 'out', 'metrics'))).toEqual(['later', 'now.jpg.json']);
});

test('paths are those of the person who typed them, wherever npm runs the script', async () => {
  const cwd = await temporaryFolder();
  await cp(join(examples, 'no-face.jpg'), join(cwd, 'a.jpg'));
  const { code } = await runCli(['run', 'a.jpg', '--out', 'results'], { cwd });
  expect(code).toBe(0);
  expect(await readdir(join(cwd, 'results'))).toEqual(expect.arrayContaining(['manifest', 'metrics', 'report.html']));
});
