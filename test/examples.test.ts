import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { createDatabase, createRedis, type TestDatabase } from './fixture.js'
import { Service } from './service.js'

const { namespace, clean } = createRedis()
const services: Service[] = []
let database: TestDatabase

beforeAll(async () => {
  database = await createDatabase()
})

afterAll(async () => {
  for (const service of services) service.kill()
  await clean()
  await database.drop()
})

test.each(['express', 'fastify', 'nest'])(
  'the service behind %s counts, reads its own writes, and leaves nothing dirty when it ends',
  async (name) => {
    const environment = { REDIS_URL: inject('redisUrl'), DATABASE_URL: database.url, NAMESPACE: `${namespace}-${name}` }
    const service = await Service.start(['--import', 'tsx', `examples/${name}/service.ts`], environment)
    services.push(service)
    const views = await service.use(name)
    if (name === 'express') expect(await service.read('/top')).toEqual([{ path: name, views }])
    await service.stop()
    expect(await database.query('select views::int from page_views where path = $1', [name])).toEqual([{ views }])
  },
)
