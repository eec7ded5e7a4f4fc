/** What a writer or worker process is told at its start. */
export interface ChildPlan {
  readonly redisUrl: string
  readonly databaseUrl: string
  readonly namespace: string
  readonly naive: boolean
  readonly seed: number
  /** The number of the writer or worker. */
  readonly number: number
  /** For a writer: the number of its first operation. */
  readonly firstId: number
  /** For a writer: calls per second. */
  readonly rate: number
  /** For a writer: true when every call goes to a record of its own. */
  readonly spread: boolean
  /** True for the default policies, false for the quick ones of the chaos. */
  readonly defaults: boolean
}

/** What the parent sends. */
export type Order = 'pause' | 'resume'
/** What the child answers. */
export type Answer = 'ready' | 'paused'

export function plan(): ChildPlan {
  return JSON.parse(process.env.CHAOS_CHILD ?? '{}') as ChildPlan
}

export function answer(word: Answer): void {
  if (process.connected) process.send?.(word, () => {})
}

/** Obeys the parent's orders, and ends the process when the parent ends. */
export function onOrder(obey: (order: Order) => void): void {
  process.on('message', obey)
  process.on('disconnect', () => process.exit())
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {})
}

/** Tries a task again until it succeeds, because the servers may be away. */
export async function persistently<T>(task: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await task()
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  }
}
