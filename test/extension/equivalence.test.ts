/**
 * The same calls to plain Prisma and to Prisma with the extension, one by one: equal results, equal errors, equal tables, whichever the
 * strategy, with flushes at random points.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import type { Model } from '../../src/index.js'
import { type Call, callFor, send, writtenKeys } from '../equivalence/calls.js'
import { KEYS_A_RUN, whereOf } from '../equivalence/keys.js'
import { outcome } from '../equivalence/outcome.js'
import { type Json, normal } from '../equivalence/rows.js'
import { type Client, createTwins, type Name, type Twins } from './twins.js'

const RUNS = Number(process.env.RUNS ?? 8)
const ROLLBACK = 'the application changes its mind'

type Step =
  | { readonly do: 'call'; readonly call: Call }
  | { readonly do: 'transaction'; readonly form: 'interactive' | 'batch'; readonly calls: readonly Call[]; readonly fails: boolean }
  | { readonly do: 'flush' }

interface Played {
  readonly model: Model
  readonly name: Name
  readonly keys: readonly Json[]
}

describe.each(['write-behind', 'write-through', 'write-around'] as const)('with %s', (strategy) => {
  let twins: Twins
  let run = 0

  beforeAll(async () => {
    twins = await createTwins({ strategy, shards: 2, batchSize: 3 })
  })

  afterAll(() => twins.close())

  test.each(Object.entries(models) as [Name, Model][])('%s: answers as plain Prisma does', { timeout: 2_400_000 }, async (name, model) => {
    const { plain, extended, underneath, cache, holds } = twins
    await fc.assert(
      fc.asyncProperty(steps(model), async (sequence) => {
        const keys = Array.from({ length: KEYS_A_RUN }, (_, key) => whereOf(model, run, key))
        const played = { model, name, keys }
        run++
        for (const step of sequence) {
          if (step.do === 'flush') await cache.flush()
          else expect(await outcome(() => play(extended, step, played))).toEqual(await outcome(() => play(plain, step, played)))
          for (const key of touched(step)) expect(await rowOf(extended, played, key)).toEqual(await rowOf(plain, played, key))
        }
        await cache.flush()
        expect(await holds()).toEqual([])
        for (const key of keys.keys()) expect(await rowOf(underneath, played, key)).toEqual(await rowOf(plain, played, key))
      }),
      { numRuns: RUNS },
    )
  })
})

function steps(model: Model): fc.Arbitrary<Step[]> {
  const call = callFor(model)
  const transaction = fc.record({
    do: fc.constant('transaction' as const),
    form: fc.constantFrom('interactive' as const, 'batch' as const),
    calls: fc.array(call, { minLength: 1, maxLength: 3 }),
    fails: fc.boolean(),
  })
  return fc.array(
    fc.oneof<fc.WeightedArbitrary<Step>[]>(
      { weight: 20, arbitrary: call.map((each) => ({ do: 'call', call: each })) },
      { weight: 2, arbitrary: transaction },
      { weight: 3, arbitrary: fc.constant({ do: 'flush' }) },
    ),
    { minLength: 1, maxLength: 20 },
  )
}

function play(client: Client, step: Exclude<Step, { do: 'flush' }>, { model, name, keys }: Played): Promise<unknown> {
  if (step.do === 'call') return send(model, client[name], step.call, keys)
  if (step.form === 'batch') return client.$transaction(step.calls.map((call) => send(model, client[name], call, keys)))
  return client.$transaction(async (transaction) => {
    const results: unknown[] = []
    for (const call of step.calls) results.push(await send(model, transaction[name], call, keys))
    if (step.fails) throw new Error(ROLLBACK)
    return results
  })
}

function touched(step: Step): ReadonlySet<number> {
  const calls = step.do === 'call' ? [step.call] : step.do === 'transaction' ? step.calls : []
  return new Set(calls.flatMap(writtenKeys))
}

async function rowOf(client: Client, { name, keys }: Played, key: number): Promise<unknown> {
  return normal(await client[name].findUnique?.({ where: keys[key] }))
}
