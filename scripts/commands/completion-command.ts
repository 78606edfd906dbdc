import { Argument, type Command } from 'commander';

const shells = ['bash', 'zsh', 'fish', 'powershell'] as const;

/**
 * `completion SHELL` prints a script for the shell, which asks the hidden command `complete` at every tab. Call it last: it completes the
 * commands that are there. The library is loaded only when one of the two is asked for.
 */
export async function addCompletionCommand(program: Command, asked: string | undefined): Promise<void> {
  if (asked === 'complete' || asked === 'completion') {
    const { default: addCompletion } = await import('@bomb.sh/tab/commander');
    addCompletion(program, { completionCommandName: 'completion' });
    return;
  }
  program
    .command('completion')
    .description('Print a script that completes commands and options in your shell; needs `npm link`.')
    .addArgument(new Argument('<shell>', 'your shell').choices(shells))
    .addHelpText('after', '\nExample:\n  npm link && source <(unmask completion bash)');
}
