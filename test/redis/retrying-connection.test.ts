/** The connection's own deadline, on connections whose sockets have none: commands that Redis never answers. */
import { once } from 'node:events'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { NoAnswer, RetryingConnection } from '../../src/redis/retrying-connection.js'
import { createRedis } from '../fixture.js'

let connection: ReturnType<typeof createRedis>
let redis: ReturnType<typeof createRedis>['redis']

beforeEach(async () => {
  connection = createRedis()
  redis = connection.redis.duplicate({ autoResendUnfulfilledCommands: false, retryStrategy: () => 10 })
  redis.on('error', () => {})
  await redis.ping()
})

afterEach(async () => {
  redis.disconnect()
  await connection.clean()
})

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const forever = (name: string) => () => redis.blpop(`{${connection.namespace}}:${name}`, 0)

test('a call without an answer ends when the timeout has passed', async () => {
  const retrying = new RetryingConnection(redis, 1000)
  const error = await retrying.call(forever('never')).catch((error: unknown) => error)
  expect(error).toBeInstanceOf(NoAnswer)
  expect(error).toMatchObject({ sent: true })
  expect(retrying.load).toBe(0)
})

test('a refusal of a call that may have been carried out before says nothing', async () => {
  const retrying = new RetryingConnection(redis, 3000)
  const refused = () => redis.eval('return redis.error_reply("OOM refused")', 0)
  await expect(retrying.call(refused)).rejects.toMatchObject({ name: 'ReplyError' })
  const answers = [() => Promise.reject(new Error('the connection was lost')), refused]
  await expect(retrying.call(() => (answers.shift() as () => Promise<unknown>)())).rejects.toMatchObject({
    sent: true,
    message: expect.stringContaining('out of memory'),
    cause: { cause: { message: expect.stringMatching(/^OOM: Redis refused a command/) } },
  })
})

test('a call that is sent again keeps its deadline, which may be before those of younger calls', async () => {
  const retrying = new RetryingConnection(redis, 5000)
  await retrying.call(() => redis.ping())
  const call = (name: string) => retrying.call(forever(name)).catch(() => performance.now())
  const id = await redis.client('ID')
  const older = call('older')
  await pause(1000)
  // The younger one has to come after the connection was seen to break, and so is sent before the older one is again.
  const closed = once(redis, 'close')
  await connection.redis.client('KILL', 'ID', id)
  await closed
  const younger = call('younger')
  const [first, second] = (await Promise.all([older, younger])) as [number, number]
  expect(second - first).toBeGreaterThan(500)
})

test('a call that waits for a connection ends with it', async () => {
  const retrying = new RetryingConnection(redis, 3_600_000)
  const id = await redis.client('ID')
  redis.options.retryStrategy = () => 3_600_000
  const reconnecting = once(redis, 'reconnecting')
  await connection.redis.client('KILL', 'ID', id)
  await reconnecting
  const call = retrying.call(() => redis.ping())
  retrying.close()
  redis.disconnect()
  await expect(call).rejects.toMatchObject({ sent: false })
  await expect(retrying.call(() => redis.ping())).rejects.toMatchObject({ sent: false })
})
