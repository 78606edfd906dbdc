/**
 * Measures the shipped networks through the shipped inference on the photos that models/training/render_cases.py makes:
 *
 *   python models/training/render_cases.py --data DATA --out dist/evaluation/photos
 *   npm run evaluate -- --data DATA
 *   npm run evaluate -- --faces 60 --cases I II --models rescnn        quickly, and partly
 *
 * docs/evaluate.md says what it writes and what the columns mean.
 */
import { Command, CommanderError, Option } from 'commander';
import { exitCodes, UsageError } from './commands/exit-codes.ts';
import { jsonOption, positiveInteger } from './commands/options.ts';
import { caseNames } from './evaluation/case-names.ts';

const program = new Command('evaluate')
  .description('Measure the networks, alone and in the whole pipeline, on faces that training never saw.')
  .option('--photos <dir>', 'what render_cases.py wrote', 'dist/evaluation/photos')
  .option(
    '--data <dir>',
    'the data folder of render_cases.py, for the real masked photos of case V (default: no case V)',
  )
  .option('--baselines <file>', 'results.csv of evaluate.py, for the fills that need no network (default: none)')
  .option('--out <dir>', 'where tables, figures and pictures go', 'dist/evaluation')
  .addOption(new Option('--cases <names...>', 'cases to measure (default: all)').choices([...caseNames]))
  .option('--models <names...>', 'unmaskers, names from `unmask models` (default: all)')
  .option('--faces <n>', 'photos of each case, evenly spread (default: all)', positiveInteger)
  .option('--no-pipeline', 'the networks alone, on crops that the true eyes give')
  .option('--sheet <n>', 'worst, median and best faces on each contact sheet; 0: no sheets', wholeNumber, 4)
  .addOption(jsonOption())
  .addHelpText(
    'after',
    `
Examples:
  npm run evaluate -- --data DATA --baselines dist/evaluation/baselines/results.csv
  npm run evaluate -- --faces 60 --cases I II --models rescnn

Writes tables.md, summary.json, results.csv, plots/*.svg and sheets/*.png. The same command again measures only what is missing: other
photos or other networks are measured anew. Ctrl-C finishes the answers in hand and writes the tables of what is there.
The photos show real people: keep the folder out of the repository.`,
  )
  .exitOverride()
  .showHelpAfterError('(--help shows what is possible)')
  .action(async (options) => (await import('./evaluation/evaluation.ts')).evaluation(options));

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  else {
    console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
    if (process.env.DEBUG) console.error(error);
    process.exitCode = error instanceof UsageError ? exitCodes.usage : exitCodes.failed;
  }
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0) return value;
  throw new UsageError(`Expected a whole number but received ${text}.`);
}
