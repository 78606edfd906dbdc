import { type Command, Option } from 'commander';
import { failureCodes } from '#pipeline/reason.ts';
import { jsonOption, notNegativeInteger, onStack, positiveInteger, positiveNumber } from './options.ts';

/** What speaks to a stack in an AWS account. */
export function addStackCommands(program: Command): void {
  program
    .command('doctor')
    .description('Say whether this machine can deploy to AWS, and what is missing. Changes nothing.')
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  npm run unmask -- doctor')
    .action(async (options) => (await import('./doctor.ts')).doctor(options));

  onStack(
    program
      .command('status')
      .description('How a deployed stack is: what waits, what came of the photos, which alarms ring. Changes nothing.'),
  )
    .addHelpText(
      'after',
      `
Examples:
  npm run unmask -- status
  npm run unmask -- status --json | jq .queues.jobs
  npm run unmask -- status > /dev/null || echo "look at the stack"

Exit code 1 when an alarm rings or dead letters lie there, and when the stack cannot be asked; then nothing is on standard output.`,
    )
    .action(async (options) => (await import('../stack/status.ts')).status(options));

  onStack(
    program
      .command('cost')
      .description(
        'What a number of photos a month comes to; or, with --actual, what was processed and what it came to.',
      )
      .option('--photos <number>', 'photos a month', positiveInteger, 1000)
      .addOption(new Option('--architecture <name>', 'of the functions (default: x86_64)').choices(['x86_64', 'arm64']))
      .option('--memory <MB>', 'of check and unmask, 1024 to 3008 (default: 1769, a whole core)', positiveInteger)
      .option('--photo-mb <MB>', 'size of a photo, for storage', positiveNumber, 3)
      .option('--face-days <days>', 'how long photos are kept, for storage', positiveInteger, 30)
      .option('--actual', 'of the deployed stack, from its own metrics')
      .option('--since <time>', 'with --actual: 12h, 30d or 2026-11-01', '30d'),
  )
    .addHelpText(
      'after',
      `
Examples:
  npm run unmask -- cost --photos 100000
  npm run unmask -- cost --photos 100000 --architecture arm64 --photo-mb 0.5 --json
  npm run unmask -- cost --actual --since 7d --profile work

Without --actual it needs no account: measured milliseconds, published prices of us-east-1. docs/cost.md has what it takes for granted.`,
    )
    .action(async (options) => (await import('../stack/cost.ts')).cost(options));

  onStack(
    program
      .command('submit')
      .description('Upload photos to a deployed stack, wait for the results and fetch them: `run`, done in the cloud.')
      .argument('<photos...>', 'files and folders, nested, any number')
      .option('--out <dir>', 'where the results go', 'out')
      .option('--references <dir>', 'the same people without masks, same relative paths: PSNR and SSIM are measured')
      .option('--no-wait', 'end when everything is uploaded')
      .option('--give-up-after <minutes>', 'end when nothing has come for so long', notNegativeInteger, 15)
      .option('--concurrency <n>', 'files in transfer at once', positiveInteger, 8),
  )
    .addHelpText(
      'after',
      `
Examples:
  npm run unmask -- submit holiday/ --out results
  npm run unmask -- submit holiday/ anna.jpg --no-wait --profile work

What is in the bucket already, by checksum, is not uploaded again; the same command again goes on where it was stopped. Paths are those of
\`run\`: holiday/a/b.jpg becomes photos/a/b.jpg. Exit codes as of \`run\`; 1 also when a photo has no result in the end.`,
    )
    .action(async (photos: string[], options) => (await import('../stack/submit.ts')).submit(photos, options));

  onStack(
    program
      .command('download')
      .description('Fetch the results of a deployed stack into a folder, in the layout of a local run.')
      .option('--out <dir>', 'where the results go', 'out')
      .option('--prefix <prefix>', 'only photos whose path begins so: people/anna/', '')
      .option('--no-report', 'do not write report.html, for which the originals are fetched, too')
      .option('--concurrency <n>', 'files in transfer at once', positiveInteger, 16),
  )
    .addHelpText(
      'after',
      `
Examples:
  npm run unmask -- download --out results
  npm run unmask -- download --prefix people/anna/ --no-report

What the folder has already and is unchanged is not fetched again. Exit code 1 when a photo has failed.`,
    )
    .action(async (options) => (await import('../stack/download.ts')).download(options));

  onStack(
    program
      .command('tail')
      .description('Follow a deployed stack: a line for each photo as it reaches its state, until Ctrl-C.')
      .option('--since <when>', 'begin with those since then: 45m, 12h, 30d, 2026-11-01')
      .option('--limit <n>', 'end after so many', positiveInteger),
  )
    .addHelpText(
      'after',
      `
Examples:
  npm run unmask -- tail
  npm run unmask -- tail --since 1h --json | jq -r 'select(.record.status == "failed") | .record.photo.key'

It asks for the manifest every two seconds, whose catalogue gathers records for some seconds. When AWS cannot be reached it says so and goes
on trying.`,
    )
    .action(async (options) => (await import('../stack/tail.ts')).tail(options));

  onStack(
    program
      .command('redrive')
      .description('Try the photos that failed again: each is checked as if it had just been uploaded.')
      .addOption(new Option('--reason <code>', 'only those that failed for this reason').choices(failureCodes))
      .option('--dry-run', 'say which they are, and change nothing'),
  )
    .addHelpText(
      'after',
      `
Examples:
  npm run unmask -- redrive --dry-run
  npm run unmask -- redrive --reason dead-letter --profile work

\`query --status failed\` says why each failed. Only what failed is tried: a rejected photo would be rejected again.`,
    )
    .action(async (options) => (await import('../stack/redrive.ts')).redrive(options));

  onStack(
    program
      .command('reconcile')
      .description('Look for uploads that have no record and queue them, as the stack itself does every few hours.')
      .option(
        '--older-than <minutes>',
        'leave younger uploads alone: they may simply be under way',
        notNegativeInteger,
        60,
      )
      .option('--dry-run', 'say which they are, and change nothing'),
  )
    .addHelpText(
      'after',
      `
Examples:
  npm run unmask -- reconcile
  npm run unmask -- reconcile --older-than 10 --dry-run`,
    )
    .action(async (options) => (await import('../stack/reconcile.ts')).reconcile(options));

  onStack(
    program
      .command('delete')
      .description(
        "Delete somebody's photos for good: every version, the references, the results, the lines of the manifest.",
      )
      .argument('[keys...]', 'as `query` shows them or as they are in the bucket: anna.jpg is photos/anna.jpg')
      .option('--prefix <prefix>', 'every photo whose key begins so: people/anna/')
      .option('--yes', 'do not ask; for scripts')
      .option('--dry-run', 'say what would be deleted, and change nothing'),
  )
    .addHelpText(
      'after',
      `
Examples:
  npm run unmask -- delete anna.jpg people/anna-2.jpg
  npm run unmask -- delete --prefix people/anna/ --dry-run
  npm run unmask -- delete anna.jpg --yes --json

Keys are taken as they are written, * and ? too. It lists what it found and asks before it deletes; the same command again ends what
was stopped. Exit code 1 when nothing was found of a key. docs/operate.md says what is kept elsewhere.`,
    )
    .action(async (keys: readonly string[], options) =>
      (await import('../stack/delete-photos.ts')).deletePhotos(keys, options),
    );
}
