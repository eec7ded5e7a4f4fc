import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { chown, mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface User {
  readonly uid: number
  readonly gid: number
}

export interface ServerPlan {
  readonly name: string
  readonly command: string
  /** The name that the program is told to have, when that differs from `command`. */
  readonly argv0?: string | undefined
  readonly arguments: readonly string[]
  /** Of `temporaryFolder`; the log goes there too, and `stop` removes it. */
  readonly folder: string
  /** Whom to run as; the user of this process when left out. */
  readonly user?: User | undefined
  /** The signal that ends the server in order. */
  readonly stopSignal: NodeJS.Signals
  /** Asked again and again until it is true. It throws when it cannot become true. */
  isReady(pid: number): Promise<boolean>
}

const START_TIMEOUT = 60_000
const STOP_TIMEOUT = 10_000
const ENDING: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGKILL', 'SIGABRT', 'SIGSEGV']

/**
 * A server process that does not outlive this one. It is told nothing by Ctrl-C, being in a session of its own, and it does not keep this
 * process running. A watchdog reads a pipe of which this process has the only other end: when that closes, however this process ended, it
 * ends the server and removes the folder. Hence no handlers of signals here, which would race with those of a program that wants
 * to use the server until its own last step.
 */
export class Server {
  readonly #plan: ServerPlan
  readonly #watchdog: ChildProcess
  #child: ChildProcess | undefined

  constructor(plan: ServerPlan) {
    this.#plan = plan
    this.#watchdog = startWatchdog(plan)
  }

  /** @throws Error when no process runs */
  get pid(): number {
    if (!this.#child?.pid) throw new Error(`${this.#plan.name} is not running`)
    return this.#child.pid
  }

  /** Starts it in the folder and on the port that it had before. Does nothing when it runs. */
  async start(): Promise<void> {
    if (this.#child) return
    const child = this.#spawn()
    this.#child = child
    child.once('exit', () => {
      this.#tell('pid')
      this.#child = undefined
    })
    await once(child, 'spawn')
    this.#tell(`pid ${child.pid}`)
    await this.#untilReady(child)
  }

  /** Resolves when the process has ended, if the signal is one that ends it. */
  async kill(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (!child) return
    child.ref()
    const ended = once(child, 'exit')
    child.kill(signal)
    if (ENDING.includes(signal)) await ended
    else child.unref()
  }

  /** Ends the process, by force if it takes too long, and removes its folder. */
  async stop(): Promise<void> {
    const force = setTimeout(() => this.#child?.kill('SIGKILL'), STOP_TIMEOUT)
    const ended = this.kill(this.#plan.stopSignal)
    this.#child?.kill('SIGCONT')
    await ended
    clearTimeout(force)
    await rm(this.#plan.folder, { recursive: true, force: true, maxRetries: 10 })
    this.#tell('done')
  }

  #spawn(): ChildProcess {
    const { command, folder, user, argv0 } = this.#plan
    const log = openSync(join(folder, 'log'), 'a')
    try {
      const child = spawn(command, this.#plan.arguments, { stdio: ['ignore', log, log], cwd: folder, detached: true, argv0, ...user })
      child.unref()
      return child
    } finally {
      closeSync(log)
    }
  }

  async #untilReady(child: ChildProcess): Promise<void> {
    const deadline = Date.now() + START_TIMEOUT
    while (child.exitCode === null && child.signalCode === null && Date.now() < deadline) {
      if (await this.#plan.isReady(this.pid)) return
      await sleep(25)
    }
    await this.kill('SIGKILL')
    const log = await readFile(join(this.#plan.folder, 'log'), 'utf8')
    throw new Error(`${this.#plan.name} did not start. Its log ends with:\n${log.split('\n').slice(-30).join('\n')}`)
  }

  #tell(line: string): void {
    if (this.#watchdog.stdin?.writable) this.#watchdog.stdin.write(`${line}\n`)
  }
}

function startWatchdog(plan: ServerPlan): ChildProcess {
  const script = `
    while read -r word value; do
      case $word in pid) pid=$value ;; done) exit ;; esac
    done
    if [ -n "$pid" ]; then
      kill -s "$1" "$pid"; kill -s CONT "$pid"
      for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do kill -0 "$pid" || break; sleep 0.2; done
      kill -s KILL "$pid"
    fi
    rm -rf "$2" || { sleep 1; rm -rf "$2"; }`
  const signal = plan.stopSignal.slice('SIG'.length)
  const watchdog = spawn('sh', ['-c', script, 'watchdog', signal, plan.folder], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  watchdog.on('error', () => {})
  watchdog.stdin?.on('error', () => {})
  watchdog.unref()
  return watchdog
}

export async function temporaryFolder(name: string, user?: User): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `write-behind-${name}-`))
  if (user) await chown(folder, user.uid, user.gid)
  return folder
}

/**
 * Outside the range from which systems take the ports of outgoing connections: a client that reconnects to such a port while the server is
 * down can, on loopback, end up connected to itself, and then the server cannot have its port back.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const probe = createServer()
    try {
      await once(probe.listen(port, '127.0.0.1'), 'listening')
      return port
    } catch {
      // In use: try another.
    } finally {
      probe.close()
    }
  }
}
