import { spawnSync } from 'node:child_process'
import { findOrInstall, onPath } from './package-manager.js'

export interface RedisBinary {
  readonly command: string
  readonly argv0?: string
}

/**
 * None of these packages starts a service. Debian's and Ubuntu's `redis-server` would, on port 6379; the program itself is in their
 * `redis-tools`, which has no service, under the name of redis-check-rdb: it is one program, that looks at the name it is called by.
 */
const PACKAGES = {
  'apt-get': ['redis-tools', 'valkey-tools'],
  dnf: ['redis', 'valkey'],
  apk: ['redis', 'valkey'],
  brew: ['redis', 'valkey'],
}

const HINT = 'Set REDIS_URL to a Redis (7 or later) for tests, or put redis-server or valkey-server on the PATH.'

/** @throws Error naming REDIS_URL when there is no Redis, and none can be installed */
export function findOrInstallRedis(): Promise<RedisBinary> {
  return findOrInstall({ name: 'Redis', packages: PACKAGES, hint: HINT, find: findRedis })
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

function isServer(command: string, argv0: string): boolean {
  return /\bserver v=/i.test(spawnSync(command, ['--version'], { argv0, encoding: 'utf8' }).stdout ?? '')
}
