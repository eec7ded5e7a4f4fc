/** Most requests in one group: it bounds how long one script holds Redis up. */
const MOST_IN_A_GROUP = 1000

interface Request<V> {
  readonly promise: Promise<V>
  resolve(value: V): void
  reject(error: unknown): void
}

interface Gathering<V> {
  readonly keys: string[]
  readonly requests: Map<string, Request<V>>
}

/**
 * Answers single requests in groups: the requests of one turn of the event loop, per shard, together, and equal keys once. A request
 * may also join a group that is under way, until `run` calls `close`, from when on its answer would miss what was written since.
 */
export class Gatherer<V> {
  readonly #run: (shard: number, keys: readonly string[], close: () => void) => Promise<readonly V[]>
  readonly #open = new Map<number, Gathering<V>>()
  /** Requests of groups that are under way and not closed yet. */
  readonly #joinable = new Map<number, Map<string, Request<V>>>()

  constructor(run: (shard: number, keys: readonly string[], close: () => void) => Promise<readonly V[]>) {
    this.#run = run
  }

  get(shard: number, key: string): Promise<V> {
    const underWay = this.#joinable.get(shard)?.get(key)
    if (underWay !== undefined) return underWay.promise
    const gathering = this.#open.get(shard) ?? this.#gather(shard)
    const known = gathering.requests.get(key)
    if (known !== undefined) return known.promise
    const request = createRequest<V>()
    gathering.keys.push(key)
    gathering.requests.set(key, request)
    if (gathering.keys.length === MOST_IN_A_GROUP) this.#open.delete(shard)
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
    const joinable = this.#joinable.get(shard) ?? new Map<string, Request<V>>()
    this.#joinable.set(shard, joinable)
    for (const [key, request] of requests) joinable.set(key, request)
    const close = () => {
      for (const [key, request] of requests) if (joinable.get(key) === request) joinable.delete(key)
    }
    try {
      const values = await this.#run(shard, keys, close)
      let position = 0
      for (const request of requests.values()) request.resolve(values[position++] as V)
    } catch (error) {
      for (const request of requests.values()) request.reject(error)
    } finally {
      close()
    }
  }
}

function createRequest<V>(): Request<V> {
  let settle: Pick<Request<V>, 'resolve' | 'reject'> | undefined
  const promise = new Promise<V>((resolve, reject) => {
    settle = { resolve, reject }
  })
  return { promise, ...(settle as Pick<Request<V>, 'resolve' | 'reject'>) }
}
