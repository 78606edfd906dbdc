import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import cdk from '../../cdk.json' with { type: 'json' };
import { readSettings } from '../../infra/settings.ts';
import { UnmaskStack } from '../../infra/unmask-stack.ts';

export type Synthesised = { readonly app: App; readonly stack: UnmaskStack; readonly template: () => Template };

/** The stack as `cdk synth -c name=value` would make it, around an image of one line: no Docker, no network, no models. About 3 s. */
export function synthesise(context: Readonly<Record<string, string>> = {}): Synthesised {
  const folder = mkdtempSync(join(tmpdir(), 'unmask-synth-'));
  const image = join(folder, 'image');
  mkdirSync(image);
  writeFileSync(join(image, 'Dockerfile'), 'FROM scratch\n');
  const app = new App({ context: { ...cdk.context, ...context }, outdir: join(folder, 'cdk.out') });
  const stack = new UnmaskStack(app, 'Unmask', { settings: readSettings(app.node.getAllContext(), 'x64'), image });
  return { app, stack, template: () => Template.fromStack(stack) };
}
