import { PrismaPg } from '@prisma/adapter-pg'
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import { PrismaClient } from '../../generated/client/client.js'
import { models } from '../../generated/write-behind.js'
import { createWriteBehind, type SqlClient } from '../../src/index.js'
import { HOUR } from '../counters.js'
import { createDatabase, createRedis, type TestDatabase } from '../fixture.js'

/** Only explicit calls flush. There is one shard, so that all records are neighbours. */
const policies = { counter: { shards: 1, debounce: HOUR, maxWait: HOUR } } as const
const GOOD = 12

/** Neighbours of a bad record. */
export const goodNames = Array.from({ length: GOOD }, (_, n) => `good ${String(n).padStart(2, '0')}`)

/** A database that does something of its own for each record whose name begins with "bad". */
export class Misbehaviour {
  database!: TestDatabase
  prisma!: PrismaClient
  #connection!: ReturnType<typeof createRedis>

  /** Registers the hooks of the file that calls it. */
  constructor() {
    beforeAll(async () => {
      this.database = await createDatabase()
      await this.database.query(`create function misbehave() returns trigger language plpgsql as $$ begin
        if new.name like 'bad%' then execute tg_argv[0]; end if; return new; end $$`)
    })
    afterAll(() => this.database.drop())
    beforeEach(() => {
      this.#connection = createRedis()
      this.prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: this.database.url }) })
    })
    afterEach(async () => {
      await this.database.query('drop trigger if exists misbehave on "Counter"')
      await this.database.query('truncate "Counter"')
      await this.prisma.$disconnect()
      await this.#connection.clean()
    })
  }

  /** What the database does for a bad record. */
  begin = async (sql: string): Promise<void> => {
    await this.database.query(`create trigger misbehave before insert on "Counter" for each row execute function misbehave($a$${sql}$a$)`)
  }

  end = async (): Promise<void> => {
    await this.database.query('drop trigger misbehave on "Counter"')
  }

  /** Runs a task while another transaction keeps the locks that a statement takes. */
  whileLocked = async (sql: string, task: () => Promise<void>): Promise<void> => {
    let release = () => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    let transaction: Promise<void> | undefined
    await new Promise<void>((resolve, reject) => {
      const keepLocked = async (tx: Pick<PrismaClient, '$executeRawUnsafe'>) => {
        await tx.$executeRawUnsafe(sql)
        resolve()
        await released
      }
      transaction = this.prisma.$transaction(keepLocked, { timeout: HOUR })
      transaction.catch(reject)
    })
    try {
      await task()
    } finally {
      // Otherwise the hooks of a test that fails would wait for the lock.
      release()
      await transaction
    }
  }

  connect = async (client: SqlClient = this.prisma, statementTimeout = 20_000) => {
    const { redis, namespace } = this.#connection
    return createWriteBehind({ prisma: client, redis, namespace, models, policies, statementTimeout })
  }

  rows = async (): Promise<string[]> =>
    (await this.database.query<{ name: string }>('select name from "Counter" order by name')).map(({ name }) => name)
}

type Connected = Awaited<ReturnType<Misbehaviour['connect']>>

export function write(cache: Connected, ...names: string[]): Promise<unknown> {
  return Promise.all(names.map((name) => cache.counter.set({ name }, { value: 1 })))
}
