import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

export interface RedisBinary {
  readonly command: string
  readonly argv0?: string
}

interface PackageManager {
  readonly command: string
  /** Brew refuses to run as root; the others need it. */
  readonly asRoot: boolean
  readonly refresh?: readonly string[]
  readonly install: readonly string[]
  /** Tried in turn. */
  readonly packages: readonly string[]
}

/**
 * None of these starts a service. Debian's and Ubuntu's `redis-server` would, on port 6379; the program itself is in their `redis-tools`,
 * which has no service, under the name of redis-check-rdb: it is one program, that looks at the name it is called by.
 */
const PACKAGE_MANAGERS: readonly PackageManager[] = [
  {
    command: 'apt-get',
    asRoot: true,
    refresh: ['-qq', 'update'],
    install: ['-qq', '-y', '--no-install-recommends', 'install'],
    packages: ['redis-tools', 'valkey-tools'],
  },
  { command: 'dnf', asRoot: true, install: ['-q', '-y', 'install'], packages: ['redis', 'valkey'] },
  { command: 'apk', asRoot: true, install: ['add', '--no-cache'], packages: ['redis', 'valkey'] },
  { command: 'brew', asRoot: false, install: ['install'], packages: ['redis', 'valkey'] },
]

const HINT = 'Set REDIS_URL to a Redis (6.2 or later) for tests, or put redis-server or valkey-server on the PATH.'

/** @throws Error naming REDIS_URL when there is no Redis, and none can be installed */
export function findOrInstallRedis(): RedisBinary {
  return findRedis() ?? installRedis()
}

function findRedis(): RedisBinary | undefined {
  for (const name of ['redis-server', 'valkey-server']) {
    const command = onPath(name)
    if (command) return { command }
  }
  for (const [name, argv0] of [
    ['redis-check-rdb', 'redis-server'],
    ['valkey-check-rdb', 'valkey-server'],
  ] as const) {
    const command = onPath(name)
    if (command && isServer(command, argv0)) return { command, argv0 }
  }
  return undefined
}

function onPath(name: string): string | undefined {
  const candidates = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name))
  return candidates.find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function isServer(command: string, argv0: string): boolean {
  return /\bserver v=/i.test(spawnSync(command, ['--version'], { argv0, encoding: 'utf8' }).stdout ?? '')
}

function installRedis(): RedisBinary {
  const manager = PACKAGE_MANAGERS.find(({ command }) => onPath(command))
  if (!manager) throw new Error(`No Redis was found, and no package manager that is known here. ${HINT}`)
  const prefix = rootPrefix(manager)
  if (!prefix) throw new Error(`No Redis was found, and ${manager.command} needs root or a sudo without a password. ${HINT}`)

  if (manager.refresh) run([...prefix, manager.command, ...manager.refresh])
  for (const name of manager.packages) {
    run([...prefix, manager.command, ...manager.install, name])
    const found = findRedis()
    if (found) return found
  }
  throw new Error(`No Redis was found, and ${manager.command} did not install one. ${HINT}`)
}

/** What to put before the command for it to have the rights it needs; undefined when they cannot be had. */
function rootPrefix({ asRoot }: PackageManager): readonly string[] | undefined {
  if (!asRoot || process.getuid?.() === 0) return []
  const sudo = ['sudo', '-n']
  return spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0 ? sudo : undefined
}

function run(call: readonly string[]): void {
  console.error(`write-behind: no Redis was found; installing one (no service is started): ${call.join(' ')}`)
  const [command = '', ...rest] = call
  spawnSync(command, rest, { stdio: ['ignore', 2, 2], env: { DEBIAN_FRONTEND: 'noninteractive', ...process.env } })
}
