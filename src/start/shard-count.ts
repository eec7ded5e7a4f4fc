import { ConfigurationError } from '../errors.js'
import { shardCountsKey, shardPrefix } from '../redis/keys.js'
import type { Calls } from '../write/writer.js'

/**
 * Records are spread over shards by their key: a changed number would leave dirty records where nobody looks.
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
        `policies: ${model} has dirty records in ${before} shards; flush them with the old number before setting shards to ${count}`,
        { model },
      )
    }
  }
  // A record may have been in the same shard before, and have left a view there.
  const shards = Array.from({ length: count }, (_, shard) => shardPrefix(namespace, model, shard))
  await Promise.all(shards.map((prefix) => connection.ask(model, () => store.invalidate(prefix, []))))
  await connection.ask(model, () => store.share(key, model, String(count), true))
}
