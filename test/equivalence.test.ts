/**
 * The definition of correct: operations through the library leave the tables as the same operations through plain Prisma do, one by one,
 * and reads in between see what plain Prisma sees; with flushes, lost replies, outages and refused rows at random points.
 */

import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { models } from '../generated/write-behind.js'
import { createWriteBehind, type Model } from '../src/index.js'
import { type BoundCall, boundedUpdateFor, boundedUpsertFor, boundsFor, isSome, resolve } from './equivalence/bounds.js'
import { KEYS_A_RUN, keyFields, marker, whereOf } from './equivalence/keys.js'
import { type Json, normal } from './equivalence/rows.js'
import { amountFor, createFor, isCounter, isRequired, plainFields, record } from './equivalence/values.js'
import { createDatabase, createRedis, type TestDatabase } from './fixture.js'

const RUNS = Number(process.env.RUNS ?? 30)

type Delegate = Record<'create' | 'upsert' | 'update' | 'delete' | 'findUnique', (args: unknown) => Promise<unknown>>
type FieldsCall = 'set' | 'increment' | 'decrement' | BoundCall
type Calls = Delegate & Record<FieldsCall, (where: unknown, values: unknown) => Promise<void>>

type WriteStep =
  | { readonly do: 'upsert'; readonly key: number; readonly create: Json; readonly update: Json }
  | { readonly do: 'update'; readonly key: number; readonly data: Json }
  | { readonly do: FieldsCall; readonly key: number; readonly values: Json }
  | { readonly do: 'delete'; readonly key: number }

type Step =
  | WriteStep
  | { readonly do: 'read' | 'refuse' | 'accept'; readonly key: number }
  | { readonly do: 'flush'; readonly fault: 'none' | 'before' | 'after' }

/** What happens to the next statement: sent, not sent, or sent and its reply lost. */
let fault: 'none' | 'before' | 'after' = 'none'
let cached: TestDatabase
let plain: TestDatabase
const STRATEGIES = ['write-behind', 'write-through', 'write-around'] as const
type Strategy = (typeof STRATEGIES)[number]

let caches: Record<Strategy, Awaited<ReturnType<typeof connect>>>
const { redis, namespace, clean } = createRedis()

async function connect(strategy: Strategy) {
  const policy = { strategy, shards: 2, batchSize: 3, debounce: 3_600_000, maxWait: 3_600_000 }
  const client = {
    async $queryRawUnsafe<T>(sql: string, ...values: unknown[]): Promise<T> {
      if (fault === 'before') throw new Error('Connection terminated unexpectedly')
      const result = await cached.prisma.$queryRawUnsafe<T>(sql, ...values)
      if (fault === 'after' && sql.startsWith('with fence')) throw new Error('Connection terminated unexpectedly')
      return result
    },
  }
  return createWriteBehind({
    prisma: client,
    redis,
    namespace: `${namespace}-${strategy}`,
    models,
    policies: { counter: policy, pageView: policy, reading: policy, player: policy, document: policy },
  })
}

beforeAll(async () => {
  cached = await createDatabase()
  plain = await createDatabase()
  await cached.query('create table refused (key text primary key)')
  await cached.query(`create function refuse() returns trigger language plpgsql as $$ begin
    if exists (select from refused where key = new::text or position(key in new::text) > 0) then raise exception 'refused' using errcode = '23514'; end if; return new; end $$`)
  for (const { table } of Object.values(models))
    await cached.query(`create trigger refuse before insert or update on "${table}" for each row execute function refuse()`)
  const [behind, through, around] = await Promise.all(STRATEGIES.map(connect))
  caches = { 'write-behind': behind, 'write-through': through, 'write-around': around } as typeof caches
})

afterAll(async () => {
  await Promise.all(STRATEGIES.map((strategy) => caches[strategy].close()))
  await clean()
  await cached.drop()
  await plain.drop()
})

describe.each(Object.entries(models) as [keyof typeof models, Model][])('%s', (name, model) => {
  let run = 0

  test.each(STRATEGIES)(
    '%s: ends as under plain Prisma, whatever the operations and failures',
    { timeout: 2_400_000 },
    async (strategy) => {
      const cache = caches[strategy]
      await fc.assert(
        fc.asyncProperty(steps(model), async (sequence) => {
          const keys = Array.from({ length: KEYS_A_RUN }, (_, key) => whereOf(model, run, key))
          run++
          const calls = cache[name] as unknown as Calls
          const reference = plain.prisma[name] as unknown as Delegate
          for (const step of sequence) await play(strategy, model, step, keys, calls, reference)
          fault = 'none'
          await cached.query('delete from refused')
          await cache.flush()
          for (const where of keys) {
            const expected = normal(await reference.findUnique({ where }))
            expect(normal(await (cached.prisma[name] as unknown as Delegate).findUnique({ where }))).toEqual(expected)
            expect(normal(await calls.findUnique({ where }))).toEqual(expected)
          }
        }),
        { numRuns: strategy === 'write-behind' ? RUNS : Math.ceil(RUNS / 2) },
      )
    },
  )
})

async function play(strategy: Strategy, model: Model, step: Step, keys: readonly Json[], calls: Calls, reference: Delegate): Promise<void> {
  if (step.do === 'flush') {
    fault = step.fault
    // If there is nothing to flush, the fault meets the next write.
    if (strategy !== 'write-behind') return
    const flushed = await caches[strategy].flush({ timeout: fault === 'none' ? 30_000 : 1 }).catch((error: { code: string }) => error)
    fault = 'none'
    if ('code' in flushed) expect(['OUTAGE', 'TIMEOUT', 'PARKED']).toContain(flushed.code)
    return
  }
  const where = keys[step.key] as Json
  switch (step.do) {
    case 'read':
      fault = 'none'
      expect(normal(await calls.findUnique({ where }))).toEqual(normal(await reference.findUnique({ where })))
      return
    case 'refuse':
      await cached.query('insert into refused values ($1) on conflict do nothing', [marker(where)])
      return
    case 'accept':
      await cached.query('delete from refused where key = $1', [marker(where)])
      return
    default:
      await writeBoth(
        strategy,
        () => write(step, where, calls),
        () => writeReference(model, step, where, reference),
      )
  }
}

function write(step: WriteStep, where: Json, calls: Calls): Promise<unknown> {
  switch (step.do) {
    case 'upsert':
      return calls.upsert({ where, create: step.create, update: step.update })
    case 'update':
      return calls.update({ where, data: step.data })
    case 'delete':
      return calls.delete({ where })
    default:
      return calls[step.do](where, step.values)
  }
}

async function writeReference(model: Model, step: WriteStep, where: Json, reference: Delegate): Promise<void> {
  const row = (await reference.findUnique({ where })) as Json | null
  switch (step.do) {
    case 'upsert':
      await reference.upsert({ where, create: { ...keyFields(where), ...step.create }, update: resolve(step.update, row ?? {}) })
      return
    case 'update':
      await unlessMissing(reference.update({ where, data: resolve(step.data, row ?? {}) }))
      return
    case 'set':
      await reference.upsert({ where, create: { ...keyFields(where), ...step.values }, update: step.values })
      return
    case 'increment':
    case 'decrement': {
      const amounts = map(step.values, (value) => (step.do === 'increment' ? value : -(value as bigint)))
      const update = map(amounts, (increment) => ({ increment }))
      await reference.upsert({ where, create: { ...keyFields(where), ...insertedBy(model, amounts) }, update })
      return
    }
    case 'max':
    case 'min': {
      const update = map(step.values, (value) => ({ [step.do]: value }))
      if (row === null) await reference.create({ data: { ...keyFields(where), ...step.values } })
      else await reference.update({ where, data: resolve(update, row) })
      return
    }
    case 'delete':
      await unlessMissing(reference.delete({ where }))
  }
}

/** With write-behind, a write is acknowledged whatever the database says later. With the other strategies it is done, refused, or lost on the way there or back. */
async function writeBoth(strategy: Strategy, call: () => Promise<unknown>, callReference: () => Promise<void>): Promise<void> {
  const lost = fault
  const failure = await call().then(
    () => undefined,
    (error: { code: string }) => error.code,
  )
  fault = 'none'
  if (failure !== undefined && strategy === 'write-behind') throw new Error(`a write behind failed: ${failure}`)
  if (failure !== undefined) expect(['OUTAGE', 'REFUSED']).toContain(failure)
  if (failure === 'OUTAGE') expect(lost).not.toBe('none')
  if (failure === undefined || (failure === 'OUTAGE' && lost === 'after')) await callReference()
}

async function unlessMissing(call: Promise<unknown>): Promise<void> {
  await call.catch((error: { code?: string }) => {
    if (error.code !== 'P2025') throw error
  })
}

function steps(model: Model): fc.Arbitrary<Step[]> {
  const counters = plainFields(model).filter(isCounter)
  const key = fc.nat(KEYS_A_RUN - 1)
  const fieldsCall = (weight: number, call: FieldsCall, values: fc.Arbitrary<Json>) => ({
    weight,
    arbitrary: fc.record({ do: fc.constant(call), key, values }),
  })
  const weighted: fc.WeightedArbitrary<Step>[] = [
    {
      weight: 6,
      arbitrary: fc.tuple(key, boundedUpsertFor(model)).map(([each, args]) => ({ do: 'upsert' as const, key: each, ...args })),
    },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('update' as const), key, data: boundedUpdateFor(model) }) },
    fieldsCall(2, 'set', createFor(model).filter(isSome)),
    { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), key }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('read' as const), key }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('flush' as const), fault: fc.constantFrom('none', 'none', 'before', 'after') }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('refuse' as const), key }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('accept' as const), key }) },
  ]
  if (!plainFields(model).some((field) => isRequired(field) && !isCounter(field)) && counters.length > 0) {
    const amounts = record(counters, amountFor, () => true)
    weighted.push(fieldsCall(5, 'increment', amounts), fieldsCall(1, 'decrement', amounts))
  }
  const bounds = boundsFor(model)
  if (bounds !== undefined) weighted.push(fieldsCall(3, 'max', bounds), fieldsCall(3, 'min', bounds))
  return fc.array(fc.oneof(...weighted), { minLength: 1, maxLength: 25 })
}

function map(values: Json, change: (value: unknown) => unknown): Json {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, change(value)]))
}

function insertedBy(model: Model, amounts: Json): Json {
  return Object.fromEntries(
    Object.entries(amounts).map(([name, amount]) => {
      const start = model.fields.find((field) => field.name === name)?.default
      const base = start?.kind === 'value' ? BigInt(start.value) : 0n
      return [name, typeof amount === 'bigint' ? base + amount : Number(base) + (amount as number)]
    }),
  )
}
