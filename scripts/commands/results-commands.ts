import { type Command, Option } from 'commander';
import { type Status, statuses } from '#pipeline/status.ts';
import { UsageError } from './exit-codes.ts';
import { jsonOption, onAccount, positiveInteger, profileOption, regionOption } from './options.ts';

/** What asks about results that are there already, in a folder or a bucket. */
export function addResultsCommands(program: Command): void {
  onAccount(
    program
      .command('report')
      .description('Write the page about results that are there already; `run` does it by itself.')
      .argument('[results]', 'folder of results, or s3://bucket', 'out')
      .option('--photos <photos...>', 'the originals, for the pictures of before: as given to `run`, or s3://bucket')
      .option(
        '--out <file>',
        'where to write it (default: report.html beside the results; for a bucket, in this folder)',
      ),
  )
    .addHelpText(
      'after',
      `
Examples:
  npm run unmask -- report out --photos examples/photos
  npm run unmask -- report s3://RESULTS_BUCKET --photos s3://PHOTOS_BUCKET --out report.html`,
    )
    .action(async (results: string, options) => (await import('./report.ts')).report(results, options));

  program
    .command('query')
    .description('Ask the manifest: SQL, or a question by flags; without either, how many photos ended in each status.')
    .argument('[sql]', 'one SELECT over photos, faces and versions; - reads it from standard input')
    .option('--results <place>', 'folder of results, or s3://bucket', 'out')
    .addOption(statusOption())
    .option(
      '--worst <n>',
      'so many unmasked photos, the worst first: least PSNR, then the most visible seam',
      positiveInteger,
    )
    .option('--since <date>', 'photos recorded since 2026-11-01 (UTC), or 2026-11-01T18:00:00+01:00')
    .option('--faces-min <n>', 'photos with so many faces or more', positiveInteger)
    .option('--show-sql', 'print the SQL that the flags stand for, and ask nothing')
    .addOption(
      new Option('--format <format>', 'how the answer is written')
        .choices(['table', 'csv', 'json', 'ndjson'])
        .default('table'),
    )
    .addOption(new Option('--csv', 'the same as --format csv').conflicts(['format', 'json']))
    .addOption(jsonOption().conflicts('format'))
    .addOption(profileOption())
    .addOption(regionOption())
    .addHelpText(
      'after',
      `
Examples:
  npm run unmask -- query
  npm run unmask -- query --status rejected --since 2026-11-01
  npm run unmask -- query --worst 10 --results s3://RESULTS_BUCKET
  npm run unmask -- query "SELECT status, count(*) FROM photos GROUP BY status" --csv
  npm run unmask -- query "DESCRIBE photos"

docs/query.md says what the columns of photos, faces and versions hold. SQL reads these and nothing else: no file, no network.`,
    )
    .action(async (sql: string | undefined, options) => (await import('./query.ts')).query(sql, options));

  onAccount(
    program
      .command('compare')
      .description('Say what two runs, or two models, did to the same photos, and show the faces side by side.')
      .argument('<a>', 'folder of results, or s3://bucket')
      .argument('<b>', 'the other')
      .option('--out <file>', 'the page to write', 'compare.html')
      .option('--photos <photos...>', 'the originals, for the pictures of before: as given to `run`, or s3://bucket'),
  )
    .addHelpText(
      'after',
      `
Examples:
  npm run unmask -- run photos --out a --references without-masks
  npm run unmask -- run photos --out b --references without-masks --model rescnn-fidelity
  npm run unmask -- compare a b --photos photos
  npm run unmask -- compare s3://RESULTS_BUCKET out`,
    )
    .action(async (a: string, b: string, options) => (await import('./compare.ts')).compare(a, b, options));

  const manifest = program.command('manifest').description('Check or mend the manifest, the sum of all records.');
  onAccount(
    manifest
      .command('verify')
      .description(
        'Compare the manifest with its segments, and these with the records. Changes nothing; exit code 1 if they differ.',
      )
      .argument('[results]', 'folder of results, or s3://bucket', 'out'),
  )
    .addHelpText('after', '\nExample:\n  npm run unmask -- manifest verify s3://RESULTS_BUCKET')
    .action(async (results: string, options) => (await import('./manifest.ts')).verify(results, options));
  onAccount(
    manifest
      .command('rebuild')
      .description('Make the manifest anew from metrics/. Photos whose record was deleted leave it.')
      .argument('[results]', 'folder of results, or s3://bucket', 'out'),
  )
    .addHelpText('after', '\nExample:\n  npm run unmask -- manifest rebuild out')
    .action(async (results: string, options) => (await import('./manifest.ts')).rebuild(results, options));

  program
    .command('schema')
    .description('Print the JSON Schema of a metrics file.')
    .option('--manifest', 'of manifest.json instead')
    .addHelpText('after', '\nExample:\n  npm run unmask -- schema > metrics.schema.json')
    .action(async (options) => (await import('./schema.ts')).schema(options));
}

/** May be given several times. */
function statusOption(): Option {
  const check = (text: string, earlier: readonly Status[] = []): readonly Status[] => {
    const status = statuses.find((name) => name === text);
    if (!status) throw new UsageError(`Expected one of ${statuses.join(', ')} as the status but received ${text}.`);
    return [...earlier, status];
  };
  return new Option('--status <status>', 'photos that ended so; again for more than one')
    .choices(statuses)
    .argParser(check);
}
