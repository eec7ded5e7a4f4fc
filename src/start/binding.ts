import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { type Ask, IdentityRow, type LedgerIdentity, type Place } from '../database/postgresql/place.js'
import { ConfigurationError } from '../errors.js'
import type { Model } from '../model/model.js'
import { identityShard } from '../redis/keys.js'
import type { Bound, BoundDatabase, BoundLedger, IdentityKey } from './identity.js'

/** Ms that another process may take from the database's row to Redis' key. */
const BINDING = 500

/** A ledger, the models that use it, and what its row says. */
interface LedgerView {
  readonly row: IdentityRow
  /** Names. */
  readonly models: readonly string[]
  readonly here: Place
  readonly found: LedgerIdentity | undefined
  /** What Redis has of its models. */
  readonly known: BoundLedger | undefined
}

/**
 * Binds a namespace to a database: a row of the ledger and a key in Redis hold the same random id, and each says where the ledger is. Whatever
 * process comes later has to bring both. Row and key are made by commands that the first of several processes wins, the row first, so that one
 * which dies between them leaves what the next one completes.
 */
export class Binding {
  readonly #namespace: string
  readonly #key: IdentityKey
  readonly #models: readonly Model[]
  #agreed: Bound | undefined

  constructor(namespace: string, key: IdentityKey, models: readonly Model[]) {
    this.#namespace = namespace
    this.#key = key
    this.#models = [...models].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  get #names(): string[] {
    return this.#models.map(({ name }) => name)
  }

  /**
   * What Redis says, without the database.
   * @throws ConfigurationError when another version of this library has said it
   * @throws UnavailableError
   */
  read(): Promise<Bound> {
    return this.#key.read(this.#names)
  }

  /**
   * Says what is unusual.
   * @throws ConfigurationError when the namespace belongs to another database; nothing was written then
   * @throws UnavailableError, and what the client throws
   */
  async confirm(bound: Bound, ask: Ask, system: string): Promise<string[]> {
    const views = await this.#look(ask, system, bound)
    if (bound.database === undefined && views.some(({ found }) => found !== undefined)) return this.#confirmLater(ask, system)
    return this.#agree(bound, views, ask, system)
  }

  /** The database knows the namespace, and Redis does not: another process may be about to tell it. */
  async #confirmLater(ask: Ask, system: string): Promise<string[]> {
    await setTimeout(BINDING)
    const bound = await this.read()
    return this.#agree(bound, await this.#look(ask, system, bound), ask, system)
  }

  async #agree(bound: Bound, views: readonly LedgerView[], ask: Ask, system: string): Promise<string[]> {
    for (const view of views) this.#check(bound.database, view)
    const warnings: string[] = []
    const identities = new Map<string, BoundLedger>()
    for (const view of views) {
      const id = await this.#identify(view, bound, warnings)
      for (const model of view.models) identities.set(model, { id, table: view.here.table })
    }
    const here = views[0]?.here as Place
    const isBound = bound.database !== undefined && bound.ledgers.every((ledger) => ledger !== undefined)
    this.#agreed = isBound ? bound : await this.#bind(here, identities, bound, ask, system)
    return warnings
  }

  /** Whether Redis still says what it said. */
  async isKept(): Promise<boolean> {
    return JSON.stringify(await this.read()) === JSON.stringify(this.#agreed)
  }

  async #bind(here: Place, identities: ReadonlyMap<string, BoundLedger>, before: Bound, ask: Ask, system: string): Promise<Bound> {
    if (before.database === undefined) await this.#key.dropViews()
    await this.#key.bind({ system: here.system, database: here.database }, identities)
    // Somebody else may have been quicker.
    const bound = await this.read()
    for (const view of await this.#look(ask, system, bound)) this.#check(bound.database, view)
    return bound
  }

  async #look(ask: Ask, system: string, { ledgers }: Bound): Promise<LedgerView[]> {
    const views: LedgerView[] = []
    for (const table of new Set(this.#models.map(({ ledger }) => ledger.table))) {
      const models = this.#models.filter(({ ledger }) => ledger.table === table)
      const row = new IdentityRow(ask, (models[0] as Model).ledger, identityShard(this.#namespace), system)
      const known = models.map((model) => ledgers[this.#models.indexOf(model)]).find((ledger) => ledger !== undefined)
      views.push({ ...(await row.read()), row, known, models: models.map(({ name }) => name) })
    }
    return views
  }

  #check(bound: BoundDatabase | undefined, { here, found, known }: LedgerView): void {
    if (bound === undefined) return
    const isHere = isSameServer(bound, here) && bound.database === here.database && (known === undefined || known.table === here.table)
    // A table that was emptied is the same one. Where the server cannot be told, nobody knows.
    const isKnown = known === undefined || (found === undefined ? here.system !== '' : found.id === known.id)
    if (isHere && isKnown) return
    const isCopy = known !== undefined && found?.id === known.id
    throw new ConfigurationError(
      `namespace "${this.#namespace}": expected ${describe(bound, known?.table, known?.id)}, whose writes this Redis holds, got ${describe(here, here.table, found?.id)}; ` +
        `${isCopy ? 'the latter is a copy of the former, or what became of it: ' : ''}give each database a namespace of its own, or move this one (docs/operations.md)`,
    )
  }

  /** The ledger's id, which is made if there is none. */
  async #identify({ row, here, found, known }: LedgerView, { database }: Bound, warnings: string[]): Promise<string> {
    const about = `namespace "${this.#namespace}": `
    if (found === undefined) {
      await row.insert({ id: known?.id ?? randomUUID(), place: here })
      if (known !== undefined) warnings.push(`${about}the ledger ${here.table} has been emptied; Redis still names it, and goes on with it`)
    } else if (known === undefined && !isSamePlace(found.place, here)) {
      await row.replace(found.id, { id: randomUUID(), place: here })
      const was = describe(found.place, found.place.table, found.id)
      warnings.push(
        `${about}the ledger ${here.table} is a copy of that of ${was}, or was moved; it is bound to this Redis under a new identity`,
      )
    } else {
      if (database === undefined)
        warnings.push(`${about}the database knows it, and this Redis does not: it was emptied, or is another one; it is bound to it now`)
      return found.id
    }
    const { found: made } = await row.read()
    if (made === undefined) throw new ConfigurationError(`${about}the ledger ${here.table} does not keep the row that says whose it is`)
    return made.id
  }
}

function isSameServer(a: { readonly system: string }, b: { readonly system: string }): boolean {
  return a.system === '' || b.system === '' || a.system === b.system
}

function isSamePlace(a: Place, b: Place): boolean {
  return isSameServer(a, b) && a.database === b.database && a.table === b.table
}

function describe({ system, database }: BoundDatabase, table: string | undefined, id: string | undefined): string {
  const details = [system && `server ${system}`, table && `ledger ${table}`, id && `identity ${id}`].filter(Boolean).join(', ')
  return `the database "${database}"${details ? ` (${details})` : ''}`
}
