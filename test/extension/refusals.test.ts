/** Nothing that Prisma refuses is accepted, by the extension or by the cache's own calls, to be found out at the flush. */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import type { Model } from '../../src/index.js'
import type { Delegate } from '../equivalence/calls.js'
import { keyFields, whereOf } from '../equivalence/keys.js'
import { type Malformed, malformedFor } from '../equivalence/malformed.js'
import { outcome, type Refusal } from '../equivalence/outcome.js'
import type { Json } from '../equivalence/rows.js'
import { createFor } from '../equivalence/values.js'
import { type Client, createTwins, type Name, type Twins } from './twins.js'

const RUNS = Number(process.env.RUNS ?? 8) * 10

let twins: Twins

beforeAll(async () => {
  twins = await createTwins({ shards: 1 })
})

afterAll(() => twins.close())

describe.each(Object.entries(models) as [Name, Model][])('%s', (name, model) => {
  const [there, missing] = [whereOf(model, 0, 0), whereOf(model, 0, 1)]
  const [row] = fc.sample(createFor(model), { numRuns: 1, seed: 5 })
  const malformed = malformedFor(model, [there, missing])
  const seed = async () => {
    for (const client of [twins.plain, twins.extended]) {
      await client[name].deleteMany?.({})
      await client[name].create?.({ data: { ...keyFields(there), ...row } })
    }
    await twins.cache.flush()
  }
  const read = (client: Client) => Promise.all([there, missing].map((where) => client[name].findUnique?.({ where })))
  beforeAll(seed)

  test('what Prisma refuses, the extension refuses in its words, and stores nothing', { timeout: 600_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(malformed, async (call) => {
        const { plain, extended, holds } = twins
        const [before, held] = [await traces(name, model), await holds()]
        const expected = await outcome(send(plain[name], call))
        expect(await outcome(send(extended[name], call))).toEqual(expected)
        if ('value' in expected) return seed()
        expect(await traces(name, model)).toEqual(before)
        // Some nonsense breaks Prisma itself; nobody can tell that from a lost connection.
        if (expected.error.startsWith('Prisma')) expect((await holds()).filter((hold) => !held.includes(hold))).toEqual([])
        expect(await outcome(() => read(extended))).toEqual(await outcome(() => read(plain)))
      }),
      { numRuns: RUNS, endOnFailure: true },
    )
  })

  test("what Prisma refuses, the cache's own calls refuse, and store nothing", { timeout: 600_000 }, async () => {
    const calls = twins.cache[name] as unknown as Delegate
    await fc.assert(
      fc.asyncProperty(
        malformed.filter(({ method }) => method in calls),
        async (call) => {
          const before = await traces(name, model)
          const expected = await outcome(send(twins.plain[name], call))
          if ('value' in expected) return seed()
          if (isAllowed(model, expected)) return
          expect(await outcome(send(calls, call))).toMatchObject({ error: 'InvalidInputError', code: 'INVALID_INPUT' })
          expect(await traces(name, model)).toEqual(before)
        },
      ),
      { numRuns: RUNS, endOnFailure: true },
    )
  })
})

function send(delegate: Delegate, { method, args }: Malformed): () => Promise<unknown> {
  return async () => delegate[method]?.(args)
}

/** What the cache's own calls leave to the flush, or take although Prisma does not: the key may be left out of the row to insert. */
function isAllowed(model: Model, { code, message }: Refusal): boolean {
  if (code === 'P2025' || code === 'P2002') return true
  return (
    /: (integer|smallint|bigint) out of range$/.test(message) || model.key.some((name) => message === `Argument \`${name}\` is missing.`)
  )
}

/** What a call that was accepted would have left in Redis or in the database. */
async function traces(name: Name, model: Model): Promise<Json> {
  const status = (await twins.cache.status()).find((each) => each.model === model.name)
  const rows = await twins.underneath[name].findMany?.({})
  return { dirty: status?.dirty, rows }
}
