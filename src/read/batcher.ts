interface Request<V> {
  readonly promise: Promise<V>
  resolve(value: V): void
  reject(error: unknown): void
}

/** The answers in the order of the keys. An error is the answer to one request. */
type Run<V> = (shard: number, keys: readonly string[]) => Promise<readonly (V | Error)[]>

interface Gathering<V> {
  readonly keys: string[]
  readonly requests: Map<string, Request<V>>
}

/**
 * Gathers single requests into groups: one group for each shard and turn of the event loop. Each key is in a group only once. With `joins`, a request
 * also shares the answer of an equal one that is in flight.
 */
export class Batcher<V> {
  readonly #run: Run<V>
  readonly #most: number
  readonly #open = new Map<number, Gathering<V>>()
  /** The requests in flight, if they can be joined. */
  readonly #joinable: Map<number, Map<string, Request<V>>> | undefined

  /** @param most the highest number of requests in one group */
  constructor(run: Run<V>, joins: boolean, most: number) {
    this.#run = run
    this.#most = most
    this.#joinable = joins ? new Map() : undefined
  }

  get(shard: number, key: string): Promise<V> {
    const underWay = this.#joinable?.get(shard)?.get(key)
    if (underWay !== undefined) return underWay.promise
    const gathering = this.#open.get(shard) ?? this.#gather(shard)
    const known = gathering.requests.get(key)
    if (known !== undefined) return known.promise
    const request = createRequest<V>()
    gathering.keys.push(key)
    gathering.requests.set(key, request)
    if (gathering.keys.length === this.#most) this.#open.delete(shard)
    return request.promise
  }

  #gather(shard: number): Gathering<V> {
    const gathering: Gathering<V> = { keys: [], requests: new Map() }
    this.#open.set(shard, gathering)
    process.nextTick(() => void this.#send(shard, gathering))
    return gathering
  }

  async #send(shard: number, gathering: Gathering<V>): Promise<void> {
    const { keys, requests } = gathering
    if (this.#open.get(shard) === gathering) this.#open.delete(shard)
    this.#letJoin(shard, requests)
    try {
      const values = await this.#run(shard, keys)
      let position = 0
      for (const request of requests.values()) {
        const value = values[position++] as V | Error
        if (value instanceof Error) request.reject(value)
        else request.resolve(value)
      }
    } catch (error) {
      for (const request of requests.values()) request.reject(error)
    } finally {
      const joinable = this.#joinable?.get(shard)
      for (const [key, request] of requests) if (joinable?.get(key) === request) joinable.delete(key)
    }
  }

  #letJoin(shard: number, requests: Map<string, Request<V>>): void {
    const joinable = this.#joinable?.get(shard)
    if (joinable === undefined) this.#joinable?.set(shard, new Map(requests))
    else for (const [key, request] of requests) joinable.set(key, request)
  }
}

function createRequest<V>(): Request<V> {
  let settle: Pick<Request<V>, 'resolve' | 'reject'> | undefined
  const promise = new Promise<V>((resolve, reject) => {
    settle = { resolve, reject }
  })
  return { promise, ...(settle as Pick<Request<V>, 'resolve' | 'reject'>) }
}
