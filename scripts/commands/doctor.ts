import { createAccount } from '../../infra/account.ts';
import { diagnose } from '../../infra/diagnose.ts';
import { readSettings } from '../../infra/settings.ts';
import { exitCodes } from './exit-codes.ts';

/** `unmask doctor`: can this machine deploy? Says what is missing and what to do. Asks AWS three questions and changes nothing. */
export async function doctor({ json = false }: { readonly json?: boolean } = {}): Promise<void> {
  const findings = await diagnose(createAccount(), readSettings({}));
  for (const finding of findings) {
    const { what, ok, says, remedy } = finding;
    if (json) console.log(JSON.stringify({ event: 'finding', ...finding }));
    else
      console.log(
        `${ok ? 'ok     ' : 'missing'}  ${what}: ${says}${remedy === undefined ? '' : `\n         ${remedy}`}`,
      );
  }
  const ready = findings.every(({ ok }) => ok);
  if (!json)
    console.log(
      ready
        ? 'Ready: npm run deploy'
        : 'Not ready to deploy. Photos can be unmasked on this machine all the same: npm start',
    );
  if (!ready) process.exitCode = exitCodes.failed;
}
