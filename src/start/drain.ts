import { ConfigurationError, ParkedError } from '../errors.js'
import type { Barrier, BarrierPart } from '../flush/barrier.js'
import type { ResolvedPolicy } from '../options.js'

/** Ms that a start waits for records which were written behind. */
const TIMEOUT = 30_000

/** A model, and the strategy that it has now. */
export interface SwitchedModel extends BarrierPart {
  readonly policy: Pick<ResolvedPolicy, 'strategy'>
}

/**
 * A model whose strategy was `write-behind` may have dirty records: they are brought into the database before anything else writes it.
 * Other processes may still write behind for a while; such a record is flushed when it is written or when it is due, as always.
 * @throws ConfigurationError when the database refuses some of them
 * @throws PersistError, TimeoutError when the database did not take them in time, UnavailableError when Redis did not give them
 */
export async function drainSwitched(models: readonly SwitchedModel[], barrier: Pick<Barrier, 'flush'>): Promise<void> {
  for (const model of models) {
    if (model.policy.strategy === 'write-behind') continue
    try {
      await barrier.flush([model], performance.now() + TIMEOUT, () => {})
    } catch (error) {
      throw error instanceof ParkedError ? refusal(model, error) : error
    }
  }
}

function refusal({ name, policy, model }: SwitchedModel, cause: ParkedError): ConfigurationError {
  return new ConfigurationError(
    `policies.${name}.strategy: the database refuses ${cause.keys.length} record(s) that were written behind (${cause.keys.slice(0, 5).join(', ')}); ` +
      `correct them with the strategy write-behind before setting it to ${policy.strategy}`,
    { model: model.name, cause },
  )
}
