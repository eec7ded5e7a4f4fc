import type { Model } from '../../model/model.js'
import type { IdentityRows, Server } from '../database.js'
import { inspect } from './inspection.js'
import { type Ask, LedgerIdentityRow, readSystem } from './place.js'
import { describeRefusal } from './reason.js'

/** A PostgreSQL server, as the start sees it. */
export class PostgresqlServer implements Server {
  readonly #ask: Ask

  constructor(ask: Ask) {
    this.#ask = ask
  }

  inspect(models: readonly Model[]): Promise<void> {
    return inspect(this.#ask, models)
  }

  async identityRows(): Promise<IdentityRows> {
    const system = await readSystem(this.#ask)
    return (ledger, shard) => new LedgerIdentityRow(this.#ask, ledger, shard, system)
  }

  describeRefusal(error: unknown, step: 'inspect' | 'bind', models: readonly Model[]): Promise<string> {
    return describeRefusal(this.#ask, error, step, models)
  }
}
