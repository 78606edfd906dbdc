import { readFileSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { Command, CommanderError } from 'commander';
import { explain } from '#aws/aws-error.ts';
import { forgiveBrokenPipe } from './commands/broken-pipe.ts';
import { addCompletionCommand } from './commands/completion-command.ts';
import { exitCodes, UsageError } from './commands/exit-codes.ts';
import { addLocalCommands } from './commands/local-commands.ts';
import { addResultsCommands } from './commands/results-commands.ts';
import { addStackCommands } from './commands/stack-commands.ts';

// What a command loads is compiled once and kept among the system's temporary files: about 0.15 s less at the next start.
enableCompileCache();
forgiveBrokenPipe();

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

addLocalCommands(program);
addResultsCommands(program);
addStackCommands(program);
await addCompletionCommand(program, process.argv[2]);

/** Without a command, words are photos: one that is no file may have been meant as a command. */
function meantCommand(word: string | undefined): string {
  const isCommand = program.commands.some((command) => command.name() === word);
  return isCommand || !/^[a-z][a-z-]*$/.test(word ?? '') ? '' : ` Nor is ${word} a command: --help lists them.`;
}

try {
  process.exitCode = exitCodes.done;
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has already said what is wrong; --help and --version end here too, with 0.
    process.exitCode = error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  } else if (error instanceof UsageError) {
    console.error(`error: ${error.message}${meantCommand(process.argv[2])}`);
    process.exitCode = exitCodes.usage;
  } else {
    const explained = explain(error);
    console.error(`error: ${explained instanceof Error ? explained.message : String(explained)}`);
    if (process.env.DEBUG) console.error(error);
    process.exitCode = exitCodes.failed;
  }
}
