import { readFileSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import { denoiseModes } from '#pipeline/processing.ts';
import { exitCodes, UsageError } from './commands/exit-codes.ts';

const { version, description } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

const program = new Command('unmask')
  .description(description)
  .version(version)
  .showHelpAfterError('(--help shows what is possible)')
  .exitOverride()
  .configureHelp({ showGlobalOptions: true })
  .addHelpText(
    'after',
    `
Exit codes: 0 every photo ended as unmasked, bare, no-face or rejected; 1 a photo failed; 2 wrong usage; 130 stopped by Ctrl-C.
From npm, put arguments behind two dashes: npm start -- PHOTOS... --out DIR`,
  );

const modelOption = () => new Option('--model <name>', 'unmasker, a name from `models`').default('rescnn');
const denoiseOption = () =>
  new Option('--denoise <mode>', 'what the first stage cleans when a photo is noisy')
    .choices(denoiseModes)
    .default('region');
const jsonOption = () => new Option('--json', 'one JSON object a line on standard output, for scripts');

program
  .command('run', { isDefault: true })
  .description('Unmask photos and folders of photos; without any, the example photos.')
  .argument('[photos...]', 'files and folders, nested, any number')
  .option('--out <dir>', 'where the results go', 'out')
  .option('--references <dir>', 'the same people without masks, same relative paths: PSNR and SSIM are measured')
  .addOption(modelOption())
  .addOption(denoiseOption())
  .option('--force', 'do again what is done')
  .option('--concurrency <n>', 'photos in work at once (default: one for each core, 4 at most)', positiveInteger)
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
  .action(async (photos: string[], options) => (await import('./commands/run.ts')).run(photos, options));

program
  .command('watch')
  .description('Keep running, and unmask photos as they are dropped into a folder, as the bucket does.')
  .argument('<dir>', 'the folder to watch')
  .option('--out <dir>', 'where the results go; not inside the watched folder', 'out')
  .addOption(modelOption())
  .addOption(denoiseOption())
  .addOption(jsonOption())
  .addHelpText('after', '\nExample:\n  npm run unmask -- watch inbox --out results')
  .action(async (dir: string, options) => (await import('./commands/watch.ts')).watch(dir, options));

program
  .command('check')
  .description('Say who wears a mask, and write nothing.')
  .argument('<photos...>', 'files and folders')
  .addOption(jsonOption())
  .addHelpText('after', '\nExample:\n  npm run unmask -- check examples/photos')
  .action(async (photos: string[], options) => (await import('./commands/check.ts')).check(photos, options));

program
  .command('models')
  .description('List the networks with their measured scores, and verify their files.')
  .addOption(jsonOption())
  .addHelpText('after', '\nExample:\n  npm run unmask -- models')
  .action(async (options) => (await import('./commands/models.ts')).models(options));

program
  .command('doctor')
  .description('Say whether this machine can deploy to AWS, and what is missing. Changes nothing.')
  .addOption(jsonOption())
  .addHelpText('after', '\nExample:\n  npm run unmask -- doctor')
  .action(async (options) => (await import('./commands/doctor.ts')).doctor(options));

program
  .command('schema')
  .description('Print the JSON Schema of a metrics file.')
  .addHelpText('after', '\nExample:\n  npm run unmask -- schema > metrics.schema.json')
  .action(async () => (await import('./commands/schema.ts')).schema());

function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new UsageError(`Expected a whole number of 1 or more but received ${text}.`);
  return value;
}

try {
  process.exitCode = exitCodes.done;
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has already said what is wrong; --help and --version end here too, with 0.
    process.exitCode = error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  } else if (error instanceof UsageError) {
    console.error(`error: ${error.message}`);
    process.exitCode = exitCodes.usage;
  } else {
    console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
    if (process.env.DEBUG) console.error(error);
    process.exitCode = exitCodes.failed;
  }
}
