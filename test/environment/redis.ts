import { once } from 'node:events'
import { connect } from 'node:net'
import { findOrInstallRedis } from './redis-binary.js'
import { freePort, Server, temporaryFolder } from './server.js'

export interface RedisOptions {
  /** More of the server's arguments, after those below: `['--appendfsync', 'always']`. */
  readonly arguments?: readonly string[]
}

export interface RedisServer {
  readonly url: string
  readonly port: number
  /** The id of the server's process. Throws when none runs. */
  readonly pid: number
  /** Where its append-only file is; removed by `stop`. */
  readonly folder: string
  /** Ends it and removes its data. */
  stop(): Promise<void>
  /** Resolves when the process has ended, if the signal is one that ends it. */
  kill(signal: NodeJS.Signals): Promise<void>
  /** Ends the process if it runs, and starts it on the same port with the same data. */
  restart(): Promise<void>
}

/** A Redis with its data in a temporary folder, on a free port of 127.0.0.1, configured as write-behind wants it. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const { command, argv0 } = await findOrInstallRedis()
  const [port, folder] = await Promise.all([freePort(), temporaryFolder('redis')])
  const server = new Server({
    name: 'Redis',
    command,
    argv0,
    arguments: [...serverArguments(port, folder), ...(options.arguments ?? [])],
    folder,
    stopSignal: 'SIGTERM',
    isReady: (pid) => answers(port, pid),
  })
  try {
    await server.start()
  } catch (error) {
    await server.stop()
    throw error
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    folder,
    get pid() {
      return server.pid
    },
    stop: () => server.stop(),
    kill: (signal) => server.kill(signal),
    restart: async () => {
      await server.kill('SIGTERM')
      await server.start()
    },
  }
}

function serverArguments(port: number, folder: string): string[] {
  const settings = {
    bind: '127.0.0.1',
    port: String(port),
    dir: folder,
    appendonly: 'yes',
    appendfsync: 'everysec',
    'maxmemory-policy': 'noeviction',
    save: '',
  }
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
}

/** Whether this process answers, not another that had the port first, and has loaded its data. */
async function answers(port: number, pid: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1').setEncoding('utf8').setTimeout(1_000)
  socket.on('timeout', () => socket.destroy())
  try {
    await once(socket, 'connect')
    socket.write('PING\r\nINFO server\r\nQUIT\r\n')
    let reply = ''
    for await (const chunk of socket) reply += chunk
    return reply.startsWith('+PONG') && reply.includes(`process_id:${pid}\r\n`)
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
