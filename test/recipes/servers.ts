import { afterAll, beforeAll, expect } from 'vitest'
import { connect } from '../../examples/recipes/connect.js'
import { createMigratedDatabase, createRedis, type MigratedDatabase } from '../fixture.js'

/** Ms. Machines that run tests are busy. */
const PATIENCE = 60_000

const MIGRATIONS = new URL('../../examples/recipes/migrations/', import.meta.url)

type Server = Awaited<ReturnType<typeof connect>>

/** Two servers of an application, with all recipes, that share one Redis and one database. At the end no record may be parked. */
export function useServers() {
  const { redis, namespace, clean } = createRedis()
  let database: MigratedDatabase
  let one: Server
  let two: Server

  beforeAll(async () => {
    database = await createMigratedDatabase(MIGRATIONS)
    one = await connect(database.url, redis, namespace, PATIENCE)
    two = await connect(database.url, redis, namespace, PATIENCE)
  })

  afterAll(async () => {
    const parked = await one.cache.parked()
    await Promise.all([one.close(), two.close()])
    await clean()
    await database.drop()
    expect(parked).toEqual([])
  })

  return {
    get one() {
      return one
    },
    get two() {
      return two
    },
    /** Calls `act` `count` times at once, by turns on both servers. */
    atOnce<T>(count: number, act: (server: Server, n: number) => Promise<T>): Promise<T[]> {
      return Promise.all(Array.from({ length: count }, (_, n) => act(n % 2 === 0 ? one : two, n)))
    },
    /** There is no worker, so that nothing reaches the database before. */
    flush: () => one.cache.flush(),
    query: <T extends object>(sql: string, values?: unknown[]) => database.query<T>(sql, values),
  }
}
