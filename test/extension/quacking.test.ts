/** What looks like a value, and is another or none: Prisma's answer, or a refusal; never something else that is stored. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Delegate } from '../equivalence/calls.js'
import { outcome } from '../equivalence/outcome.js'
import { QUACKING } from '../equivalence/quacking.js'
import { type Json, normal } from '../equivalence/rows.js'
import { createTwins, type Twins } from './twins.js'

let twins: Twins
/** As any query extension gets it: Prisma copies the arguments for one, dates as the times that they hold. */
let extendedOnly: Twins['plain']
let number = 0

beforeAll(async () => {
  twins = await createTwins({ shards: 1 })
  const passing = { query: { $allOperations: ({ args, query }: { args: unknown; query: (args: unknown) => unknown }) => query(args) } }
  extendedOnly = (twins.plain as unknown as { $extends(extension: object): Twins['plain'] }).$extends(passing)
})

afterAll(() => twins.close())

const row = (id: string): Json => ({ id, title: 'title', body: { a: 1 } })

async function stored(client: { document: Delegate }, id: string): Promise<unknown> {
  return normal(await client.document.findUnique?.({ where: { id } }))
}

test.each(QUACKING)('the extension answers as Prisma does: %s', async (_, quack) => {
  const id = `extension ${number++}`
  const expected = await outcome(async () => extendedOnly.document.create?.({ data: quack(row(id)) }))
  const got = await outcome(async () => twins.extended.document.create?.({ data: quack(row(id)) }))
  expect(got).toEqual(expected)
  await twins.cache.flush()
  expect(await stored(twins.underneath, id)).toEqual(await stored(twins.plain, id))
  expect(await stored(twins.extended, id)).toEqual(await stored(twins.plain, id))
})

test.each(QUACKING)("the cache's own call stores what Prisma would, or refuses it: %s", async (_, quack) => {
  const id = `own ${number++}`
  const calls = twins.cache.document as unknown as Delegate
  const expected = await outcome(async () => twins.plain.document.create?.({ data: quack(row(id)) }))
  const got = await outcome(async () => calls.upsert?.({ where: { id }, create: quack(row(id)), update: {} }))
  if ('error' in got) return expect(got).toMatchObject({ error: 'InvalidInputError', code: 'INVALID_INPUT' })
  expect(expected).not.toHaveProperty('error')
  await twins.cache.flush()
  expect(await stored(twins.underneath, id)).toEqual(await stored(twins.plain, id))
})

test('the fields of a row come in the order of `select`', async () => {
  const { plain, extended } = twins
  const select = { title: true, rank: true, id: true, flag: false, blob: true }
  const where = { id: 'in order' }
  for (const step of [
    (client: Twins['plain']) => client.document.create?.({ data: row('in order'), select }),
    (client: Twins['plain']) => client.document.findUnique?.({ where, select }),
    (client: Twins['plain']) => client.document.update?.({ where, data: { rank: 1 }, select: { rank: true, id: true } }),
    (client: Twins['plain']) => client.document.upsert?.({ where, create: row('in order'), update: { rank: 2 }, select }),
    (client: Twins['plain']) => client.document.findUnique?.({ where, omit: { title: true } }),
    (client: Twins['plain']) => client.document.findUnique?.({ where }),
    (client: Twins['plain']) => client.document.delete?.({ where, select }),
  ])
    expect(Object.keys(Object(await step(extended)))).toEqual(Object.keys(Object(await step(plain))))
})
