import type { AbstractConnector } from 'ioredis'

type Emit = Parameters<AbstractConnector['connect']>[0]
type Stream = ReturnType<AbstractConnector['connect']>

/** A class that finds Redis. ioredis takes it as the option `Connector`. */
export type Connector = new (
  options: unknown,
) => {
  connect(emit: Emit): Stream
  disconnect(): void
}

/**
 * Returns a connector that does the same, but tries again when it fails. Otherwise ioredis would end a connection for good after one failure of its
 * connector.
 */
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
