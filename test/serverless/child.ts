/** A function that a platform freezes between two requests: it counts until it is told to stop, and then says what it knows of its writes. */
import { PrismaPg } from '@prisma/adapter-pg'
import { Redis } from 'ioredis'
import { PrismaClient } from '../../generated/client/client.js'
import { models } from '../../generated/write-behind.js'
import { createWriteBehind } from '../../src/index.js'

export interface ChildArguments {
  readonly redisUrl: string
  readonly databaseUrl: string
  readonly namespace: string
}

export interface Report {
  readonly acknowledged: number
  readonly unknown: number
}

/** Ms without an answer after which a write fails. The freeze of the test is longer. */
const WRITE_TIMEOUT = 1500
/** Ms between two writes. */
const PAUSE = 5

const { redisUrl, databaseUrl, namespace } = JSON.parse(process.argv[2] as string) as ChildArguments
const cache = await createWriteBehind({
  prisma: new PrismaClient({ adapter: new PrismaPg({ connectionString: databaseUrl }) }),
  redis: new Redis(redisUrl, { lazyConnect: true, connectionName: namespace }),
  namespace,
  models,
  policies: { counter: { shards: 1 } },
  role: 'writer',
  writeTimeout: WRITE_TIMEOUT,
})
let [acknowledged, unknown, running] = [0, 0, true]
process.stdin.once('data', () => {
  running = false
})
console.log('ready')
while (running) {
  await cache.counter.increment({ name: 'frozen' }, { value: 1 }).then(
    () => acknowledged++,
    () => unknown++,
  )
  await new Promise((resolve) => setTimeout(resolve, PAUSE))
}
await cache.close({ drain: 'none' })
const report: Report = { acknowledged, unknown }
console.log(JSON.stringify(report))
process.exit()
