import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'
import { findOrInstall, isExecutable, onPath } from './package-manager.js'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome']
const MAC_PATHS = ['/Applications/Chromium.app/Contents/MacOS/Chromium', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome']

/** A browser for tests that asks nobody but the page's server for anything. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/**
 * A headless Chromium with a profile of its own, which `close` removes. Installed when it is missing.
 * @throws Error naming CHROMIUM_PATH when there is no Chromium, and none can be installed
 */
export async function startChromium(): Promise<Browser> {
  const executablePath = await findOrInstall({
    name: 'Chromium',
    packages: { 'apt-get': ['chromium'], dnf: ['chromium'], apk: ['chromium'], brew: ['chromium'] },
    hint: 'Set CHROMIUM_PATH to a Chromium or Chrome, put one on the PATH, or run: npx playwright-core install --with-deps chromium',
    find: findChromium,
  })
  return chromium.launch({ executablePath, args: FLAGS })
}

function findChromium(): string | undefined {
  const given = process.env.CHROMIUM_PATH
  if (given) {
    if (!isExecutable(given)) throw new Error(`CHROMIUM_PATH: expected an executable file, got ${JSON.stringify(given)}`)
    return given
  }
  const installed = NAMES.map(onPath).find((path) => path !== undefined)
  return installed ?? [...MAC_PATHS, chromium.executablePath()].find(existsSync)
}
