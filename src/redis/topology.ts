import type { Redis } from 'ioredis'

/** The time in ms by the clock of the node that holds a shard, given the prefix of the shard's keys. */
export type Times = (prefix: string) => number

/**
 * Which node of Redis holds a shard, and whose clock counts for it. A record is due by the clock of the node that holds it; the time of one node says
 * nothing about another. There is one node today, which holds all shards: this is the one place that will choose among several.
 */
export class Topology {
  readonly #node: Redis

  constructor(redis: Redis) {
    this.#node = redis
  }

  /** By the clock of the node that holds the shard. */
  now(_prefix: string): Promise<number> {
    return timeOf(this.#node)
  }

  /** The clocks of all nodes, asked once. */
  async times(): Promise<Times> {
    const now = await timeOf(this.#node)
    return () => now
  }
}

async function timeOf(node: Redis): Promise<number> {
  const [seconds, microseconds] = await node.time()
  return Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000)
}
