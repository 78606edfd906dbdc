import type { Command } from 'commander';
import { denoiseOption, jsonOption, modelOption, positiveInteger } from './options.ts';

/** What works on photos of this machine. Each command's code is loaded when it is asked for, so that none slows the others' start. */
export function addLocalCommands(program: Command): void {
  program
    .command('run', { isDefault: true })
    .description('Unmask photos and folders of photos; without any, the example photos.')
    .argument('[photos...]', 'files and folders, nested, any number')
    .option('--out <dir>', 'where the results go', 'out')
    .option('--references <dir>', 'the same people without masks, same relative paths: PSNR and SSIM are measured')
    .addOption(modelOption())
    .addOption(denoiseOption())
    .option('--force', 'do again what is done')
    .option('--concurrency <n>', 'photos in work at once (default: 3, on one core 1)', positiveInteger)
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  npm start                                            the example photos, into out/
  npm start -- holiday/ anna.jpg --out results
  npm start -- photos/ --references without-masks/     with quality figures
  npm start -- photos/ --model rescnn-56 --denoise photo

Writes DIR/unmasked/<path>, DIR/metrics/<path>.json, DIR/manifest/ and DIR/report.html. The same command again does only what is missing.`,
    )
    .action(async (photos: string[], options) => (await import('./run.ts')).run(photos, options));

  program
    .command('watch')
    .description('Keep running, and unmask photos as they are dropped into a folder, as the bucket does.')
    .argument('<dir>', 'the folder to watch')
    .option('--out <dir>', 'where the results go; not inside the watched folder', 'out')
    .addOption(modelOption())
    .addOption(denoiseOption())
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  npm run unmask -- watch inbox --out results')
    .action(async (dir: string, options) => (await import('./watch.ts')).watch(dir, options));

  program
    .command('check')
    .description('Say who wears a mask, and write nothing.')
    .argument('<photos...>', 'files and folders')
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  npm run unmask -- check examples/photos')
    .action(async (photos: string[], options) => (await import('./check.ts')).check(photos, options));

  program
    .command('models')
    .description('List the networks with their measured scores, and verify their files.')
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  npm run unmask -- models')
    .action(async (options) => (await import('./models.ts')).models(options));
}
