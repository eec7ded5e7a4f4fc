import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { startRedis } from './environment/redis.js'
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

test('a service whose Redis is away ends, too', async () => {
  const redis = await startRedis()
  const environment = { REDIS_URL: redis.url, DATABASE_URL: database.url }
  const service = await Service.start(['--import', 'tsx', 'examples/express/service.ts'], environment)
  services.push(service)
  await redis.kill('SIGKILL')
  // By then its connections wait between their tries.
  await new Promise((resolve) => setTimeout(resolve, 1000))
  await service.stop('an unknown number of')
  await redis.stop()
})
