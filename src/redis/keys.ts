/**
 * Names in Redis. None of ours has a `:`. BullMQ joins by it whatever a job says of queues, parents and ids, so that a job could name any key that
 * has one: only the keys of its queues do. All keys of a shard share its prefix, whose braces put them into one slot of a cluster; the scripts
 * append `view/<key>`, `packed`, `pend/<key>`, `dirty`, `batch`, `acked`, `parked`, `writer/<id>`, `stats`, `lease/<key>`, `hold/<key>`, `holds`,
 * `epoch`, `traces`. A namespace has no `/`.
 */
export function shardPrefix(namespace: string, model: string, shard: number): string {
  return `{${namespace}/${model}/${shard}}/`
}

/** Hash: model → number of shards its records were spread over. */
export function shardCountsKey(namespace: string): string {
  return `{${namespace}}/shards`
}

/** Prefix of BullMQ's keys; the braces keep a queue in one slot. */
export function queuePrefix(namespace: string): string {
  return `{${namespace}}:queues`
}

/** The row of the ledger that belongs to a shard. */
export function ledgerShard(namespace: string, model: string, shard: number): string {
  return `${namespace}:${model}:${shard}`
}

/** The names of one model's shards, in Redis and in the ledger. */
export class ShardNames {
  readonly #prefixes: readonly string[]
  readonly #ledgerShards: readonly string[]

  constructor(namespace: string, model: string, count: number) {
    this.#prefixes = Array.from({ length: count }, (_, shard) => shardPrefix(namespace, model, shard))
    this.#ledgerShards = Array.from({ length: count }, (_, shard) => ledgerShard(namespace, model, shard))
  }

  get count(): number {
    return this.#prefixes.length
  }

  prefix(shard: number): string {
    return this.#prefixes[shard] as string
  }

  ledger(shard: number): string {
    return this.#ledgerShards[shard] as string
  }
}
