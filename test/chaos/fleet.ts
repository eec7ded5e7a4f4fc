import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { until } from '../until.js'
import type { Answer, ChildPlan, Order } from './child.js'
import type { History } from './history.js'
import { JOURNAL, readJournal } from './journal.js'
import { WRITERS } from './operation.js'

export const WORKERS = 3
const RESTART_PAUSE = 200

/** Hears an event of the library from a child. */
export type OnEvent = (event: string, model: string, detail: string, child: string) => void

interface MemberPlan {
  readonly role: 'writer' | 'worker'
  readonly number: number
  plan(): ChildPlan
  hear(words: string[]): void
  /** Called when the child has ended and its whole journal was heard. */
  onEnd(): void
}

/** One child process, which is started again whenever it dies. */
export class Member {
  readonly name: string
  readonly #plan: MemberPlan
  #child: ChildProcess | undefined
  #isReady = false
  #stopping = false
  #running: Promise<void> | undefined
  #isPaused = false
  #writes = false

  constructor(plan: MemberPlan) {
    this.#plan = plan
    this.name = `${plan.role} ${plan.number}`
  }

  start(): void {
    this.#running ??= this.#keep()
  }

  get isReady(): boolean {
    return this.#isReady
  }

  /** True for a writer that makes no calls and has no call in flight. */
  get isPaused(): boolean {
    return this.#isPaused
  }

  /** Tells a writer what to do, now and when it is started again. */
  order(order: 'pause' | 'resume'): void {
    this.#writes = order === 'resume'
    this.#isPaused = false
    this.#send(order)
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal)
  }

  /** Kills the child, which needs no orderly end because everything is checked by now. */
  async stop(): Promise<void> {
    this.#stopping = true
    this.signal('SIGKILL')
    await this.#running
  }

  async #keep(): Promise<void> {
    while (!this.#stopping) {
      await this.#run()
      this.#isReady = false
      this.#plan.onEnd()
      if (!this.#stopping) await sleep(RESTART_PAUSE)
    }
  }

  async #run(): Promise<void> {
    const entry = fileURLToPath(new URL(`${this.#plan.role}.ts`, import.meta.url))
    const env = { ...process.env, CHAOS_CHILD: JSON.stringify(this.#plan.plan()), NODE_OPTIONS: '' }
    const child = spawn(process.execPath, ['--import', 'tsx', entry], { stdio: ['ignore', 2, 2, 'pipe', 'ipc'], env })
    this.#child = child
    readJournal(child.stdio[JOURNAL] as Readable, this.#plan.hear)
    child.on('message', (answer: Answer) => {
      if (answer === 'paused') this.#isPaused = !this.#writes
      else {
        this.#isReady = true
        this.#send(this.#writes ? 'resume' : 'pause')
      }
    })
    // The journal may still contain lines after the event `exit`.
    await once(child, 'close')
  }

  #send(order: Order): void {
    if (this.#child?.connected) this.#child.send(order, () => {})
  }
}

export interface FleetPlan extends Omit<ChildPlan, 'number' | 'firstId'> {
  readonly history: History
  readonly onEvent: OnEvent
}

/** All writers and workers. */
export class Fleet {
  readonly writers: readonly Member[]
  readonly workers: readonly Member[]

  constructor({ history, onEvent, ...common }: FleetPlan) {
    const tell = (child: string, [, event = '', model = '', ...detail]: string[]) => onEvent(event, model, detail.join(' '), child)
    this.writers = Array.from({ length: WRITERS }, (_, number) => {
      return new Member({
        role: 'writer',
        number,
        plan: () => ({ ...common, number, firstId: history.nextId(number), rate: common.rate / WRITERS }),
        hear: (words) => (words[0] === 'e' ? tell(`writer ${number}`, words) : history.hear(number, words)),
        onEnd: () => history.abandon(number),
      })
    })
    this.workers = Array.from({ length: WORKERS }, (_, number) => {
      return new Member({
        role: 'worker',
        number,
        plan: () => ({ ...common, number, firstId: 0 }),
        hear: (words) => tell(`worker ${number}`, words),
        onEnd: () => {},
      })
    })
  }

  get members(): readonly Member[] {
    return [...this.writers, ...this.workers]
  }

  start(): void {
    for (const member of this.members) member.start()
  }

  /** Resolves when all members run again. */
  async heal(timeout: number): Promise<void> {
    for (const member of this.members) member.signal('SIGCONT')
    const missing = () => this.members.filter(({ isReady }) => !isReady)
    await until(
      () => `${missing().map(({ name }) => name)} to be ready`,
      timeout,
      () => missing().length === 0,
    )
  }

  resume(): void {
    for (const writer of this.writers) writer.order('resume')
  }

  /** Pauses the writers. Resolves to those that still have calls in flight after the timeout. */
  async pause(timeout: number): Promise<readonly Member[]> {
    for (const writer of this.writers) writer.order('pause')
    const pending = () => this.writers.filter(({ isPaused }) => !isPaused)
    await until('the calls of the writers to be answered', timeout, () => pending().length === 0).catch(() => {})
    return pending()
  }

  async stop(): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop()))
  }
}
