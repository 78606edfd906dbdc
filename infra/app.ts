import { App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { bundleImage } from '../scripts/bundle.ts';
import { readSettings } from './settings.ts';
import { UnmaskStack } from './unmask-stack.ts';

const app = new App();
const settings = readSettings(app.node.getAllContext());
const image = await bundleImage();
new UnmaskStack(app, 'Unmask', { settings, image });
Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
app.synth();
