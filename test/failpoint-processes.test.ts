/**
 * The failpoints that end or stop a process: another one takes over, and the stopped one goes on later. A sample;
 * `npm run failpoints` takes every point.
 */
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import { Case, isWhole, prepareDatabase } from './failpoints/case.js'
import { POINTS } from './failpoints/failpoints.js'
import { SubjectProcess } from './failpoints/process.js'
import { createDatabase, createRedis, type TestDatabase } from './fixture.js'

vi.setConfig({ maxConcurrency: 2 })

const SAMPLE = ['write.after', 'persist.before', 'persist.after', 'void.after']
const ALL = process.env.FAILPOINTS === 'all'

let database: TestDatabase

beforeAll(async () => {
  database = await createDatabase()
  await prepareDatabase(database)
})

afterAll(() => database.drop())

const cases = (ALL ? POINTS : SAMPLE)
  .flatMap((point) => (['exit', 'stop'] as const).flatMap((action) => [false, true].map((busy) => ({ point, action, busy }))))
  .filter(({ action, busy }) => ALL || busy === (action === 'stop'))
  .map((each) => ({ ...each, title: `${each.action} at ${each.point}, ${each.busy ? 'beside another writer' : 'alone'}` }))

describe.concurrent('a process', () => {
  test.each(cases.map((each) => [each.title, each] as const))('%s', async (_, { point, action, busy }) => {
    const { redis, namespace, clean } = createRedis()
    const each = new Case(database, { prisma: database.prisma, redis, namespace })
    await each.start(busy)
    const signal = action === 'exit' ? 'SIGKILL' : 'SIGSTOP'
    const subject = new SubjectProcess(each, { databaseUrl: database.url, redisUrl: inject('redisUrl'), namespace, point, signal })
    try {
      if (!(await subject.hit)) await subject.finished() // throws what it died of
      expect(await subject.hit).toBe(true)
      each.join()
      if (action === 'exit') {
        await subject.killed()
      } else {
        await each.moveOn()
        subject.resume()
        await subject.finished()
        expect(isWhole(each)).toBe(true)
      }
      await each.check()
    } finally {
      await subject.end()
      await each.end()
      await clean()
    }
  })
})
