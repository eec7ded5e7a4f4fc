import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { findPostgres, type PostgresBinaries, postgresUser } from './postgres-binary.js'
import { freePort, Server, temporaryFolder, type User } from './server.js'

export interface PostgresOptions {
  /** Settings of postgresql.conf, which override the defaults below. */
  readonly settings?: Readonly<Record<string, string>>
}

export interface PostgresServer {
  /** The URL of the database `postgres`. */
  readonly url: string
  readonly port: number
  /** The process id of the postmaster. Throws when none runs. */
  readonly pid: number
  /** Ends it and removes its data. */
  stop(): Promise<void>
  /** Signals the postmaster. Resolves when it has ended, if the signal is one that ends it. */
  kill(signal: NodeJS.Signals): Promise<void>
  /** Ends the server if it runs, and starts it on the same port with the same data. */
  restart(): Promise<void>
  /** An empty database. Resolves to its URL. */
  createDatabase(name: string): Promise<string>
}

/**
 * What is written but not synced survives `kill -9`, because the operating system has it; what is not written does not. Hence fsync is off,
 * for speed, and synchronous_commit stays on.
 */
const DEFAULT_SETTINGS = { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'on', max_connections: '200' }

const RESTART_TIMEOUT = 60_000

/** A PostgreSQL with its data in a temporary folder, on a free port of 127.0.0.1. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const user = postgresUser()
  const [port, folder] = await Promise.all([freePort(), temporaryFolder('postgres', user)])
  const password = randomBytes(12).toString('hex')
  const urlOf = (database: string) => `postgresql://postgres:${password}@127.0.0.1:${port}/${database}`
  const binaries = findPostgres(folder, user)
  const data = join(folder, 'data')
  const settings = {
    ...DEFAULT_SETTINGS,
    ...options.settings,
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
  }
  const server = new Server({
    name: 'PostgreSQL',
    command: binaries.postgres,
    arguments: ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    folder,
    user,
    stopSignal: 'SIGINT',
    isReady: () => answers(urlOf('postgres')),
  })
  try {
    await initialise(binaries, folder, data, password, user)
    await server.start()
  } catch (error) {
    await server.stop()
    throw error
  }
  return {
    url: urlOf('postgres'),
    port,
    get pid() {
      return server.pid
    },
    stop: () => server.stop(),
    kill: (signal) => server.kill(signal),
    restart: () => restart(server),
    createDatabase: async (name) => {
      await query(urlOf('postgres'), `create database "${name.replaceAll('"', '""')}"`)
      return urlOf(encodeURIComponent(name))
    },
  }
}

async function initialise(binaries: PostgresBinaries, folder: string, data: string, password: string, user?: User): Promise<void> {
  const passwordFile = join(folder, 'password')
  await writeFile(passwordFile, password, { mode: 0o644 })
  const options = ['--username=postgres', '--auth=password', `--pwfile=${passwordFile}`, '--no-locale', '--encoding=UTF8', '--no-sync']
  try {
    await promisify(execFile)(binaries.initdb, ['-D', data, ...options], { cwd: folder, ...user })
  } catch (cause) {
    throw new Error('PostgreSQL could not be initialised', { cause })
  }
}

/** A new server refuses to start for a moment, while the processes of a killed one still hold its memory. */
async function restart(server: Server): Promise<void> {
  await server.kill('SIGINT')
  const deadline = Date.now() + RESTART_TIMEOUT
  for (;;) {
    try {
      return await server.start()
    } catch (error) {
      if (Date.now() > deadline) throw error
      await sleep(100)
    }
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    await query(url, 'select 1')
    return true
  } catch {
    return false
  }
}

/** One command, over a connection of its own. */
export async function query(url: string, text: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query(text)
  } finally {
    await client.end()
  }
}
