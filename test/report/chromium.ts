import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const places = [
  process.env.CHROMIUM_PATH ?? '',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** A browser that talks to nobody; undefined, and a loud line, where none is installed. */
export async function launchChromium(): Promise<Browser | undefined> {
  const executablePath = places.find(existsSync);
  if (executablePath === undefined) {
    console.warn(
      'SKIPPED: the report was not tried in a browser, because there is no Chromium here. Install one (apt-get install chromium) or set CHROMIUM_PATH.',
    );
    return undefined;
  }
  const args = [
    '--no-sandbox',
    '--disable-gpu',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--disable-quic',
  ];
  return chromium.launch({ executablePath, headless: true, args });
}
