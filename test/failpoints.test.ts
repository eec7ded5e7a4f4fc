/** Every failpoint with every action, alone and beside another writer. What must hold afterwards stands in failpoints/case.ts. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { Case, isWhole, prepareDatabase } from './failpoints/case.js'
import { Failpoint, installFailpoints, POINTS, withFailpoint } from './failpoints/failpoints.js'
import { playSubject } from './failpoints/subject.js'
import { createDatabase, createRedis, type TestDatabase } from './fixture.js'

vi.setConfig({ maxConcurrency: 12 })

const DELAY = 100
const ACTIONS = {
  throw: () => {
    throw new Error('failpoint')
  },
  delay: () => new Promise<void>((resolve) => setTimeout(resolve, DELAY)),
}

let database: TestDatabase
let uninstall: () => void

beforeAll(async () => {
  database = await createDatabase()
  await prepareDatabase(database)
  uninstall = installFailpoints()
})

afterAll(async () => {
  uninstall()
  await database.drop()
})

const cases = POINTS.flatMap((point) =>
  (['throw', 'delay'] as const).flatMap((action) => [false, true].map((busy) => ({ point, action, busy }))),
).map((each) => ({ ...each, title: `${each.action} at ${each.point}, ${each.busy ? 'beside another writer' : 'alone'}` }))

describe.concurrent('in the process', () => {
  test.each(cases.map((each) => [each.title, each] as const))('%s', async (_, { point, action, busy }) => {
    const { redis, namespace, clean } = createRedis()
    const each = new Case(database, { prisma: database.prisma, redis, namespace })
    const failpoint = new Failpoint(point, () => {
      each.join()
      return ACTIONS[action]()
    })
    const journal = { begun: (round: number) => each.begin(round), done: (round: number) => each.finish(round) }
    try {
      await each.start(busy)
      await withFailpoint(failpoint, () => playSubject(each.target, journal, isInjected))
      expect(failpoint.hit).toBe(true)
      expect(isWhole(each)).toBe(true)
      await each.check()
    } finally {
      await each.end()
      await clean()
    }
  })
})

/** The failure itself, or the outage that it is taken for. */
function isInjected(error: unknown): boolean {
  const { message, code } = error as { message: string; code?: string }
  return message === 'failpoint' || code === 'OUTAGE'
}
