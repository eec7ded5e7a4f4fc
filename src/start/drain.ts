import { ConfigurationError, ParkedError } from '../errors.js'
import type { Barrier, FlushableModel } from '../flush/barrier.js'
import type { ResolvedPolicy } from '../options.js'

/** Ms that a start takes to flush the records of one model. */
const TIMEOUT = 30_000

/** A model, and the strategy that it has now. */
export interface SwitchedModel extends FlushableModel {
  readonly policy: Pick<ResolvedPolicy, 'strategy'>
}

/**
 * Flushes the dirty records of models that had the strategy `write-behind` and have another one now, before anything else writes these models. Other
 * processes may still use the old strategy for a while. Their records are flushed as usual, and also when this process writes them.
 * @throws ConfigurationError when the database refuses some of the records
 * @throws PersistError, TimeoutError when the database did not take them in time
 * @throws UnavailableError when Redis did not answer
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
    `policies.${name}.strategy: the database refuses ${cause.keys.length} record(s) that were written with the strategy write-behind (${cause.keys.slice(0, 5).join(', ')}); ` +
      `set the strategy to write-behind again, correct them, and then set it to ${policy.strategy}`,
    { model: model.name, cause },
  )
}
