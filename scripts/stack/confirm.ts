import { createInterface } from 'node:readline';

export type Terminal = {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly output: NodeJS.WritableStream & { readonly isTTY?: boolean };
};

const ownTerminal: Terminal = { input: process.stdin, output: process.stderr };

/** Whether there is somebody who can be asked. */
export const canAsk = ({ input, output }: Terminal = ownTerminal): boolean =>
  input.isTTY === true && output.isTTY === true;

/** Whether the person types `yes` to the last line of the text. Anything else is no, and so are Ctrl-C and Ctrl-D. */
export function confirm(text: string, terminal: Terminal = ownTerminal): Promise<boolean> {
  const start = text.lastIndexOf('\n') + 1;
  terminal.output.write(text.slice(0, start));
  const question = text.slice(start);
  const lines = createInterface(terminal);
  return new Promise<boolean>((resolve) => {
    lines.once('SIGINT', () => lines.close());
    lines.once('close', () => {
      terminal.output.write('\n');
      resolve(false);
    });
    lines.question(`${question} Type yes to go on: `, (answer) => {
      lines.removeAllListeners('close').close();
      resolve(answer.trim().toLowerCase() === 'yes');
    });
  });
}
