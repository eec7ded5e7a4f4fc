/**
 * Names of keys in Redis. No key of the library contains a `:`. BullMQ joins the queue, the parent and the id in a job by `:` to names of keys, so a
 * job can name only keys of BullMQ itself. All keys of a shard begin with its prefix. The braces in the prefix put them into one slot of a cluster.
 * docs/format.md lists the texts that the scripts append. A namespace contains no `/`.
 */
export function shardPrefix(namespace: string, model: string, shard: number): string {
  return `{${namespace}/${model}/${shard}}/`
}

/** A hash: model → the number of shards over which its records are spread. */
export function shardCountsKey(namespace: string): string {
  return `{${namespace}}/shards`
}

/** A hash: the database and the ledgers to which the namespace is bound. BullMQ cannot name it. */
export function identityKey(namespace: string): string {
  return `{${namespace}}/identity`
}

/** The prefix of BullMQ's keys. Its braces keep a queue in one slot of a cluster. */
export function queuePrefix(namespace: string): string {
  return `{${namespace}}:queues`
}

/** The row of the ledger that belongs to a shard. */
export function ledgerShard(namespace: string, model: string, shard: number): string {
  return `${namespace}:${model}:${shard}`
}

/** The row of the ledger that says to which Redis the namespace is bound. It has one colon, and the row of a shard has two. */
export function identityShard(namespace: string): string {
  return `${namespace}:identity`
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
