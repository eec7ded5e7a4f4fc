import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

interface PackageManager {
  readonly command: string
  /** Brew refuses to run as root; the others need it. */
  readonly asRoot: boolean
  readonly refresh?: readonly string[]
  readonly install: readonly string[]
}

const PACKAGE_MANAGERS = {
  'apt-get': { command: 'apt-get', asRoot: true, refresh: ['-qq', 'update'], install: ['-qq', '-y', '--no-install-recommends', 'install'] },
  dnf: { command: 'dnf', asRoot: true, install: ['-q', '-y', 'install'] },
  apk: { command: 'apk', asRoot: true, install: ['add', '--no-cache'] },
  brew: { command: 'brew', asRoot: false, install: ['install'] },
} satisfies Record<string, PackageManager>

/** By package manager, the packages that hold the program; tried in turn. */
export type Packages = Readonly<Record<keyof typeof PACKAGE_MANAGERS, readonly string[]>>

export interface Missing<T> {
  /** `Redis` */
  readonly name: string
  readonly packages: Packages
  /** What to do instead, in a sentence. */
  readonly hint: string
  find(): T | undefined
}

/**
 * What `find` finds, after an install through the system's package manager if need be; every command is told on stderr.
 * @throws Error with the hint when it cannot be had
 */
export async function findOrInstall<T>({ name, packages, hint, find }: Missing<T>): Promise<T> {
  const found = find()
  if (found !== undefined) return found
  const manager: PackageManager | undefined = Object.values(PACKAGE_MANAGERS).find(({ command }) => onPath(command))
  if (manager === undefined) throw new Error(`No ${name} was found, and no package manager that is known here. ${hint}`)
  const prefix = rootPrefix(manager)
  if (prefix === undefined) throw new Error(`No ${name} was found, and ${manager.command} needs root or a sudo without a password. ${hint}`)

  if (manager.refresh) await run(name, [...prefix, manager.command, ...manager.refresh])
  for (const each of packages[manager.command as keyof Packages]) {
    await run(name, [...prefix, manager.command, ...manager.install, each])
    const installed = find()
    if (installed !== undefined) return installed
  }
  throw new Error(`No ${name} was found, and ${manager.command} did not install one. ${hint}`)
}

export function onPath(name: string): string | undefined {
  const candidates = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name))
  return candidates.find(isExecutable)
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** What to put before the command for it to have the rights it needs; undefined when they cannot be had. */
function rootPrefix({ asRoot }: PackageManager): readonly string[] | undefined {
  if (!asRoot || process.getuid?.() === 0) return []
  const sudo = ['sudo', '-n']
  return spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0 ? sudo : undefined
}

async function run(name: string, call: readonly string[]): Promise<void> {
  console.error(`write-behind: no ${name} was found; installing one (no service is started): ${call.join(' ')}`)
  const [command = '', ...rest] = call
  const child = spawn(command, rest, { stdio: ['ignore', 2, 2], env: { DEBIAN_FRONTEND: 'noninteractive', ...process.env } })
  // A failure shows in that nothing is found afterwards.
  await once(child, 'close').catch(() => {})
}
