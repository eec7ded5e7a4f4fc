interface Gathering<V> {
  readonly keys: string[]
  readonly promises: Map<string, Promise<V>>
  readonly result: Promise<readonly V[]>
}

/**
 * Answers single requests in groups: the requests of one turn of the event loop, per shard, together, and equal keys once. A request
 * may also join a group that is under way, until `run` calls `close`, from when on its answer would miss what was written since.
 */
export class Gatherer<V> {
  readonly #run: (shard: number, keys: readonly string[], close: () => void) => Promise<readonly V[]>
  readonly #open = new Map<number, Gathering<V>>()
  /** Keys of groups that are under way and not closed yet. */
  readonly #joinable = new Map<number, Map<string, Promise<V>>>()

  constructor(run: (shard: number, keys: readonly string[], close: () => void) => Promise<readonly V[]>) {
    this.#run = run
  }

  get(shard: number, key: string): Promise<V> {
    const underWay = this.#joinable.get(shard)?.get(key)
    if (underWay !== undefined) return underWay
    const gathering = this.#open.get(shard) ?? this.#gather(shard)
    const known = gathering.promises.get(key)
    if (known !== undefined) return known
    const position = gathering.keys.push(key) - 1
    const promise = gathering.result.then((values) => values[position] as V)
    gathering.promises.set(key, promise)
    return promise
  }

  #gather(shard: number): Gathering<V> {
    const keys: string[] = []
    const promises = new Map<string, Promise<V>>()
    const result = new Promise<void>((resolve) => process.nextTick(resolve)).then(() => this.#send(shard, keys, promises))
    const gathering = { keys, promises, result }
    this.#open.set(shard, gathering)
    return gathering
  }

  async #send(shard: number, keys: readonly string[], promises: Map<string, Promise<V>>): Promise<readonly V[]> {
    this.#open.delete(shard)
    if (keys.length === 0) return []
    const joinable = this.#joinable.get(shard) ?? new Map<string, Promise<V>>()
    this.#joinable.set(shard, joinable)
    for (const [key, promise] of promises) joinable.set(key, promise)
    const close = () => {
      for (const [key, promise] of promises) if (joinable.get(key) === promise) joinable.delete(key)
    }
    try {
      return await this.#run(shard, keys, close)
    } finally {
      close()
    }
  }
}
