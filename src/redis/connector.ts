import type { AbstractConnector } from 'ioredis'

type Emit = Parameters<AbstractConnector['connect']>[0]
type Stream = ReturnType<AbstractConnector['connect']>

/** A class that finds Redis, as ioredis' option `Connector`. */
export type Connector = new (
  options: unknown,
) => {
  connect(emit: Emit): Stream
  disconnect(): void
}

/** The same connector, but it tries again when it fails, because ioredis ends a connection for good when its connector fails once. */
export function persistent(Given: Connector, delay: (attempt: number) => number): Connector {
  return class extends Given {
    #isWanted = false

    override async connect(emit: Emit): Stream {
      this.#isWanted = true
      for (let attempt = 1; ; attempt++) {
        try {
          return await super.connect(emit)
        } catch (error) {
          if (this.#isWanted) emit('error', error as Error)
          await new Promise((resolve) => setTimeout(resolve, delay(attempt)))
          if (!this.#isWanted) throw error
        }
      }
    }

    override disconnect(): void {
      this.#isWanted = false
      super.disconnect()
    }
  }
}
