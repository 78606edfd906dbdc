import Table from 'cli-table3';
import { ModelError } from '#vision/model-error.ts';
import { exitCodes } from './exit-codes.ts';
import { openModels } from './open-tools.ts';

/** `unmask models`: what models.json holds, and whether each file is the one it names. */
export async function models({ json = false }: { readonly json?: boolean }): Promise<void> {
  const { descriptions, open } = await openModels();
  const table = new Table({
    head: ['model', 'task', 'version', 'MB', 'file', 'measured'],
    style: { head: [], border: [] },
  });
  for (const { name, task, version, bytes, file, sha256, scores } of descriptions) {
    const fault = await faultOf(() => open(name));
    if (fault) process.exitCode = exitCodes.failed;
    if (json) {
      console.log(
        JSON.stringify({ event: 'model', name, task, version, bytes, file, sha256, scores, fault: fault ?? null }),
      );
    } else {
      const measured = Object.entries(scores).flatMap(([score, value]) =>
        typeof value === 'number' || typeof value === 'string' ? `${score} ${value}` : [],
      );
      table.push([name, task, version, (bytes / 1e6).toFixed(1), fault ?? 'verified', measured.join('\n')]);
    }
  }
  if (!json) console.log(table.toString());
}

async function faultOf(opening: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await opening();
    return undefined;
  } catch (error) {
    if (error instanceof ModelError) return error.message;
    throw error;
  }
}
