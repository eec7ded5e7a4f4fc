/** What writer and worker processes are told at their start, and how they end. */
export interface ChildPlan {
  readonly redisUrl: string
  readonly databaseUrl: string
  readonly namespace: string
  readonly naive: boolean
  readonly seed: number
  /** Number of the writer or worker. */
  readonly number: number
  /** Of a writer: the number of its first operation. */
  readonly firstId: number
  /** Of a writer: calls per second. */
  readonly rate: number
  /** Of a writer: every call is of a record of its own. */
  readonly spread: boolean
  /** The policies of an application that sets none, instead of the quick ones of the chaos. */
  readonly defaults: boolean
}

/** From the parent. */
export type Order = 'pause' | 'resume'
/** To the parent. */
export type Answer = 'ready' | 'paused'

export function plan(): ChildPlan {
  return JSON.parse(process.env.CHAOS_CHILD ?? '{}') as ChildPlan
}

export function answer(word: Answer): void {
  if (process.connected) process.send?.(word, () => {})
}

/** A child does not outlive its parent. */
export function onOrder(obey: (order: Order) => void): void {
  process.on('message', obey)
  process.on('disconnect', () => process.exit())
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {})
}

/** The servers may be away just now. */
export async function persistently<T>(task: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await task()
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  }
}
