import { readdirSync, readFileSync } from 'node:fs';
import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { addLocalCommands } from '../../scripts/commands/local-commands.ts';
import { addResultsCommands } from '../../scripts/commands/results-commands.ts';
import { addStackCommands } from '../../scripts/commands/stack-commands.ts';

const program = new Command('unmask');
for (const add of [addLocalCommands, addResultsCommands, addStackCommands]) add(program);
program.command('completion');

const pages = [
  'README.md',
  'infra/README.md',
  'models/README.md',
  'models/history.md',
  ...readdirSync('docs')
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** What follows `npm run unmask --`, up to the end of the line or of the code, without quoted words. */
const linesOf = (page: string): readonly string[] =>
  [...readFileSync(page, 'utf8').matchAll(/npm run unmask -- ([^\n`|]+)/g)].map(([, line = '']) =>
    line.replace(/"[^"]*"|'[^']*'/g, '').replace(/\s#.*/, ''),
  );

/** The command that the words call, `manifest rebuild` too. */
function called(words: readonly string[], parent: Command = program): Command | undefined {
  const [first, ...others] = words;
  const command = parent.commands.find((one) => one.name() === first);
  return command && (command.commands.length > 0 ? called(others, command) : command);
}

describe.each(pages)('the commands in %s', (page) => {
  const lines = [...new Set(linesOf(page))];
  test.runIf(lines.length > 0)('are there, with these options', () => {
    for (const line of lines) {
      const words = line.trim().split(/\s+/);
      if (words[0]?.startsWith('-')) continue;
      const command = called(words);
      expect(command, line).toBeDefined();
      const options = command?.options.map(({ long }) => long) ?? [];
      const given = words.flatMap((word) => /^--[a-z][\w-]*/.exec(word)?.[0] ?? []);
      expect(['--help', ...options], line).toEqual(expect.arrayContaining(given));
    }
  });
});
