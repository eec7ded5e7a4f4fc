import { ConfigurationError } from '../errors.js'
import { shardCountsKey, shardPrefix } from '../redis/keys.js'
import type { Calls } from '../write/writer.js'

/**
 * Checks that the number of shards was not changed while the model has dirty records. The number decides in which shard a record is. So after a
 * change, nobody would find those records any more.
 * @throws ConfigurationError if the number changed while the model has dirty records
 * @throws UnavailableError
 */
export async function checkShardCount({ store, connection }: Calls, namespace: string, model: string, count: number): Promise<void> {
  const key = shardCountsKey(namespace)
  const before = Number(await connection.ask(model, () => store.share(key, model, String(count))))
  if (before === count) return
  for (let shard = 0; shard < before; shard++) {
    const { dirty, inFlight } = await connection.ask(model, () => store.status(shardPrefix(namespace, model, shard)))
    if (dirty > 0 || inFlight) {
      throw new ConfigurationError(
        `policies: ${model} has dirty records in ${before} shards; set shards to ${before} again, flush them, and then set it to ${count}`,
        { model },
      )
    }
  }
  // The model may have had this number of shards before, and cached rows of that time may be left.
  const shards = Array.from({ length: count }, (_, shard) => shardPrefix(namespace, model, shard))
  await Promise.all(shards.map((prefix) => connection.ask(model, () => store.invalidate(prefix, []))))
  await connection.ask(model, () => store.share(key, model, String(count), true))
}
