import { context, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider, InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { type Cache, createWriteBehind, ParkedError, type Policies } from '../../src/index.js'
import { shardPrefix } from '../../src/redis/keys.js'
import { createDatabase, createRedis, type TestDatabase } from '../fixture.js'

const still = { shards: 1, debounce: 3_600_000, maxWait: 3_600_000 }
const quick = { shards: 1, debounce: 20, maxWait: 100 }
const { redis, namespace, empty, clean } = createRedis()
const exporter = new InMemorySpanExporter()
const open: { close(): Promise<unknown> }[] = []
let database: TestDatabase
/** Statements that fail from now on, as in an outage. */
let failing = 0

beforeAll(async () => {
  database = await createDatabase()
  await database.query('alter table "Counter" add constraint small check (value < 1000)')
})

afterEach(async () => {
  await Promise.all(open.splice(0).map((cache) => cache.close()))
  stopRecording()
  exporter.reset()
  await empty()
  await database.query('truncate "Counter", write_behind_ledger')
})

afterAll(async () => {
  await clean()
  await database.drop()
})

function record(): void {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager())
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))
}

function stopRecording(): void {
  trace.disable()
  context.disable()
}

async function connect<const P extends Policies<typeof models>>(policies: P): Promise<Cache<typeof models, P>> {
  const prisma = {
    $queryRawUnsafe: <T>(sql: string, ...values: unknown[]): Promise<T> =>
      failing-- > 0 ? Promise.reject(new Error('Connection terminated unexpectedly')) : database.prisma.$queryRawUnsafe<T>(sql, ...values),
  }
  const cache = await createWriteBehind({ prisma, redis, namespace, models, policies })
  open.push(cache)
  return cache
}

/** Runs a request, which has a trace of its own. Resolves to the trace's id. */
async function request(run: () => Promise<unknown>): Promise<string> {
  return trace.getTracer('test').startActiveSpan('request', async (span: Span) => {
    await run()
    span.end()
    return span.spanContext().traceId
  })
}

function spans(name: string): ReadableSpan[] {
  return exporter.getFinishedSpans().filter((span) => span.name === name)
}

function linked(span: ReadableSpan | undefined): string[] {
  return (span?.links ?? []).map((link) => link.context.traceId).sort()
}

test('a flush is linked to the writes that it carried, those of one call to Redis too', async () => {
  record()
  const cache = await connect({ counter: still })
  const increment = (name: string) => request(() => cache.counter.increment({ name }, { value: 1 }))
  const traces: string[] = await Promise.all([increment('a'), increment('a'), increment('b')])
  traces.push(await increment('c'))
  await cache.flush()

  const writes = spans('write-behind.write')
  expect(writes).toHaveLength(2)
  expect(writes[0]?.kind).toBe(SpanKind.PRODUCER)
  expect(writes[0]?.attributes).toEqual({
    'messaging.system': 'write-behind',
    'messaging.operation.name': 'write',
    'messaging.operation.type': 'send',
    'messaging.destination.name': 'Counter',
    'messaging.destination.partition.id': '0',
    'messaging.batch.message_count': 2,
    'write_behind.writes': 3,
  })
  expect(writes.map((span) => span.spanContext().traceId)).toEqual([traces[0], traces[3]])
  expect(linked(writes[0])).toEqual([traces[1], traces[2]].sort())

  const [flush, ...others] = spans('write-behind.flush')
  expect(others).toEqual([])
  expect(flush?.kind).toBe(SpanKind.CONSUMER)
  expect(linked(flush)).toEqual([...traces].sort())
  expect(flush?.attributes).toMatchObject({
    'messaging.operation.type': 'process',
    'messaging.batch.message_count': 3,
    'write_behind.writes': 4,
    'write_behind.rows': 3,
    'write_behind.parked': 0,
  })
  expect(await redis.keys(`{${namespace}*/traces`)).toEqual([])
})

test('the links stay with a batch that is tried again, and with its parts when it is split', async () => {
  record()
  const cache = await connect({ counter: still })
  const amounts = { a: 1, b: 1000, c: 1 }
  const written = await request(() =>
    Promise.all(Object.entries(amounts).map(([name, value]) => cache.counter.increment({ name }, { value }))),
  )
  failing = 1
  await expect(cache.flush()).rejects.toThrow(ParkedError)
  const flushes = spans('write-behind.flush')
  expect(flushes.length).toBeGreaterThanOrEqual(5)
  expect(flushes[0]?.status.code).toBe(SpanStatusCode.ERROR)
  expect(flushes[0]?.attributes['error.type']).toBe('OUTAGE')
  for (const flush of flushes) expect(linked(flush)).toEqual([written])
  expect(flushes.filter(({ attributes }) => attributes['write_behind.parked'] === 1)).toHaveLength(2)
  expect(JSON.stringify(flushes.map(({ attributes, status }) => [attributes, status]))).not.toContain('1000')
})

test('a flush by a job is in the trace of that job, if bullmq-otel is installed', async () => {
  record()
  const cache = await connect({ counter: quick })
  await cache.startWorker()
  const written = await request(() => cache.counter.increment({ name: 'a' }, { value: 1 }))
  await expect.poll(() => spans('write-behind.flush')).toHaveLength(1)
  const [flush] = spans('write-behind.flush')
  expect(linked(flush)).toEqual([written])
  const parent = () => exporter.getFinishedSpans().find((span) => span.spanContext().spanId === flush?.parentSpanContext?.spanId)
  await expect.poll(() => parent()?.name).toMatch(/^process .*Counter$/)
})

test('of many spans a batch is linked to the first ones only', async () => {
  record()
  const cache = await connect({ counter: still })
  for (let call = 0; call < 3; call++)
    await Promise.all(Array.from({ length: 30 }, () => request(() => cache.counter.increment({ name: 'a' }, { value: 1 }))))
  await cache.flush()
  expect(linked(spans('write-behind.flush')[0])).toHaveLength(60)
})

test('where nobody records, nothing of it goes to Redis', async () => {
  const cache = await connect({ counter: still })
  await cache.counter.increment({ name: 'a' }, { value: 1 })
  expect(await redis.keys(`${shardPrefix(namespace, 'Counter', 0)}traces`)).toEqual([])
  await cache.flush()
  expect(exporter.getFinishedSpans()).toEqual([])
})
