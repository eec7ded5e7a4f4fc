import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { resume } from '../resume.js'
import type { Case } from './case.js'
import type { ChildArguments } from './child.js'

const CHILD = fileURLToPath(new URL('child.ts', import.meta.url))

/** A process under test. It tells the case which rounds it has begun and finished. */
export class SubjectProcess {
  /** Resolves to true when the process reaches its failpoint, and to false when it ends without that. */
  readonly hit: Promise<boolean>
  readonly #child: ChildProcess
  readonly #exit: Promise<[number | null, NodeJS.Signals | null]>
  #errors = ''

  constructor(each: Case, child: ChildArguments) {
    this.#child = spawn(process.execPath, ['--import', 'tsx', CHILD, JSON.stringify(child)], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#exit = once(this.#child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#errors += chunk
    })
    const lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })
    const hit = new Promise<boolean>((resolve) => {
      lines.on('line', (line) => {
        const [word, round] = line.split(' ')
        if (word === 'hit') resolve(true)
        if (word === 'begun') each.begin(Number(round))
        if (word === 'done') each.finish(Number(round))
      })
    })
    this.hit = Promise.race([hit, this.#exit.then(() => false)])
  }

  /** Lets a stopped process continue. */
  resume(): void {
    resume(this.#child)
  }

  /** Resolves when the process has ended by itself. */
  async finished(): Promise<void> {
    const [code, signal] = await this.#exit
    if (code !== 0) throw new Error(`the process ended with ${signal ?? code}: ${this.#errors}`)
  }

  /** Resolves when the process was killed. */
  async killed(): Promise<void> {
    const [code, signal] = await this.#exit
    if (signal !== 'SIGKILL') throw new Error(`the process ended with ${signal ?? code}: ${this.#errors}`)
  }

  async end(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#exit
  }
}
