import type { Redis } from 'ioredis'

/** Takes the prefix of a shard's keys. Returns the time in ms by the clock of the node that holds the shard. */
export type Times = (prefix: string) => number

/**
 * Knows which node of Redis holds a shard, and asks the clock of that node. A record is due by the clock of the node that holds it, and another node may
 * have another time. Today there is one node, which holds all shards. Only this class would have to choose among several.
 */
export class Topology {
  readonly #node: Redis

  constructor(redis: Redis) {
    this.#node = redis
  }

  /** Resolves to the time in ms by the clock of the node that holds the shard. */
  now(_prefix: string): Promise<number> {
    return timeOf(this.#node)
  }

  /** Asks the clocks of all nodes once. */
  async times(): Promise<Times> {
    const now = await timeOf(this.#node)
    return () => now
  }
}

async function timeOf(node: Redis): Promise<number> {
  const [seconds, microseconds] = await node.time()
  return Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000)
}
