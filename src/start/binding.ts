import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import type { IdentityRow, IdentityRows, LedgerIdentity, Place } from '../database/database.js'
import { ConfigurationError } from '../errors.js'
import { ledgersOf } from '../model/ledgers.js'
import type { Model } from '../model/model.js'
import { identityShard } from '../redis/keys.js'
import type { Bound, BoundDatabase, BoundLedger, IdentityKey } from './identity.js'

/** Ms that another process may take between writing the row in the database and the key in Redis. */
const BINDING = 500

/** A ledger, the models that use it, and its identity row. */
interface LedgerIdentification {
  readonly row: IdentityRow
  /** Names of the models. */
  readonly models: readonly string[]
  readonly here: Place
  readonly found: LedgerIdentity | undefined
  /** The ledger that Redis names for these models. */
  readonly known: BoundLedger | undefined
}

/**
 * Binds a namespace to a database. A row of the ledger and a key in Redis contain the same random id, and both say where the ledger is. A process that
 * starts later must find both. If several processes start at once, the first one wins, because row and key are never overwritten. The row is written
 * first. If a process dies between the two, the next one completes its work.
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
   * Reads the key in Redis.
   * @throws ConfigurationError when another version of this library has written it
   * @throws UnavailableError
   */
  read(): Promise<Bound> {
    return this.#key.read(this.#names)
  }

  /**
   * Compares the key with the row, and writes what is missing.
   * @returns warnings about what is unusual
   * @throws ConfigurationError when the namespace belongs to another database; nothing was written then
   * @throws UnavailableError when Redis is away, and whatever the Prisma client throws
   */
  async confirm(bound: Bound, rows: IdentityRows): Promise<string[]> {
    const views = await this.#look(rows, bound)
    if (bound.database === undefined && views.some(({ found }) => found !== undefined)) return this.#confirmLater(rows)
    return this.#agree(bound, views, rows)
  }

  /** Waits for the key, because another process may have written the row and be about to write the key. */
  async #confirmLater(rows: IdentityRows): Promise<string[]> {
    await setTimeout(BINDING)
    const bound = await this.read()
    return this.#agree(bound, await this.#look(rows, bound), rows)
  }

  async #agree(bound: Bound, views: readonly LedgerIdentification[], rows: IdentityRows): Promise<string[]> {
    for (const view of views) this.#check(bound.database, view)
    const warnings: string[] = []
    const identities = new Map<string, BoundLedger>()
    for (const view of views) {
      const id = await this.#identify(view, bound, warnings)
      for (const model of view.models) identities.set(model, { id, table: view.here.table })
    }
    const here = views[0]?.here as Place
    const isBound = bound.database !== undefined && bound.ledgers.every((ledger) => ledger !== undefined)
    this.#agreed = isBound ? bound : await this.#bind(here, identities, bound, rows)
    return warnings
  }

  /** Whether the key in Redis has not changed. */
  async isKept(): Promise<boolean> {
    return JSON.stringify(await this.read()) === JSON.stringify(this.#agreed)
  }

  async #bind(here: Place, identities: ReadonlyMap<string, BoundLedger>, before: Bound, rows: IdentityRows): Promise<Bound> {
    if (before.database === undefined) await this.#key.dropViews()
    await this.#key.bind({ system: here.system, database: here.database }, identities)
    // Another process may have written the key first.
    const bound = await this.read()
    for (const view of await this.#look(rows, bound)) this.#check(bound.database, view)
    return bound
  }

  async #look(rows: IdentityRows, { ledgers }: Bound): Promise<LedgerIdentification[]> {
    const views: LedgerIdentification[] = []
    for (const { ledger, models } of ledgersOf(this.#models)) {
      const row = rows(ledger, identityShard(this.#namespace))
      const known = models.map((model) => ledgers[this.#models.indexOf(model)]).find((ledger) => ledger !== undefined)
      views.push({ ...(await row.read()), row, known, models: models.map(({ name }) => name) })
    }
    return views
  }

  #check(bound: BoundDatabase | undefined, { here, found, known }: LedgerIdentification): void {
    if (bound === undefined) return
    const isHere = isSameServer(bound, here) && bound.database === here.database && (known === undefined || known.table === here.table)
    // A ledger that was emptied is still the same one, but only if the server is known to be the same.
    const isKnown = known === undefined || (found === undefined ? here.system !== '' : found.id === known.id)
    if (isHere && isKnown) return
    const isCopy = known !== undefined && found?.id === known.id
    throw new ConfigurationError(
      `namespace "${this.#namespace}": expected ${databaseName(bound, known?.table, known?.id)}, whose writes this Redis holds, got ${databaseName(here, here.table, found?.id)}; ` +
        `${isCopy ? 'the latter is a copy of the former, or has moved; ' : ''}give each database a namespace of its own, or move this one (docs/operations.md)`,
    )
  }

  /** Returns the id of the ledger. Makes one if there is none. */
  async #identify({ row, here, found, known }: LedgerIdentification, { database }: Bound, warnings: string[]): Promise<string> {
    const about = `namespace "${this.#namespace}": `
    if (found === undefined) {
      await row.insert({ id: known?.id ?? randomUUID(), place: here })
      if (known !== undefined)
        warnings.push(`${about}the ledger ${here.table} has been emptied; it is still the one that Redis names, and is used again`)
    } else if (known === undefined && !isSamePlace(found.place, here)) {
      await row.replace(found.id, { id: randomUUID(), place: here })
      const was = databaseName(found.place, found.place.table, found.id)
      warnings.push(
        `${about}the ledger ${here.table} is a copy of that of ${was}, or has moved; it gets a new identity, and is bound to this Redis`,
      )
    } else {
      if (database === undefined)
        warnings.push(
          `${about}the database is bound to it, but this Redis is not, because it was emptied or is another one; it is bound now`,
        )
      return found.id
    }
    const { found: made } = await row.read()
    if (made === undefined)
      throw new ConfigurationError(
        `${about}the row that identifies the ledger ${here.table} was inserted, but is not there; let the role select and insert rows of the table`,
      )
    return made.id
  }
}

function isSameServer(a: { readonly system: string }, b: { readonly system: string }): boolean {
  return a.system === '' || b.system === '' || a.system === b.system
}

function isSamePlace(a: Place, b: Place): boolean {
  return isSameServer(a, b) && a.database === b.database && a.table === b.table
}

function databaseName({ system, database }: BoundDatabase, table: string | undefined, id: string | undefined): string {
  const details = [system && `server ${system}`, table && `ledger ${table}`, id && `identity ${id}`].filter(Boolean).join(', ')
  return `the database "${database}"${details ? ` (${details})` : ''}`
}
