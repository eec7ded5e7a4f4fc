/** What a write refuses at the call. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Prisma } from '../../generated/client/client.js'
import { models } from '../../generated/write-behind.js'
import { type Cache, createWriteBehind, InvalidInputError } from '../../src/index.js'
import { createDatabase, createRedis, type TestDatabase } from '../fixture.js'

let database: TestDatabase

beforeAll(async () => {
  database = await createDatabase()
})

afterAll(async () => {
  await database.drop()
})

const quiet = { shards: 1, debounce: 3_600_000, maxWait: 3_600_000 }

describe('a write with bad input', () => {
  const { redis, namespace, clean } = createRedis()
  const policies = { counter: quiet, pageView: quiet, reading: quiet, player: quiet, document: quiet } as const
  let cache: Cache<typeof models, typeof policies>
  const id = '6f1c8e1a-0000-4000-8000-00000000000a'
  const document = { where: { id: 'a' }, create: { title: 't', body: {} } }

  beforeAll(async () => {
    cache = await createWriteBehind({ prisma: database.prisma, redis, namespace, models, policies })
  })

  afterAll(async () => {
    await cache.close()
    await clean()
  })

  // Every case breaks one rule; the message names model, field, what was expected and what came.
  const cases: [string, () => Promise<unknown>, RegExp][] = [
    [
      'an unknown field',
      () => cache.counter.increment({ name: 'a' }, { valeu: 1 } as object),
      /^Counter\.valeu: expected one of the fields value, got an unknown field$/,
    ],
    [
      'a wrong type',
      () => cache.pageView.update({ where: { path: '/' }, data: { lastStatus: '200' as never } }),
      /^PageView\.lastStatus: expected an integer of 32 bits, got "200"$/,
    ],
    [
      'a number out of range',
      () => cache.pageView.update({ where: { path: '/' }, data: { lastStatus: 2 ** 31 } }),
      /lastStatus: expected an integer of 32 bits, got 2147483648$/,
    ],
    [
      'a bigint out of range',
      () => cache.counter.increment({ name: 'a' }, { value: 2n ** 63n }),
      /value: expected a bigint of 64 bits, or a safe integer, got 9223372036854775808n$/,
    ],
    ['an unsafe integer', () => cache.counter.increment({ name: 'a' }, { value: 2 ** 53 }), /a safe integer, got 9007199254740992$/],
    ['a fraction as an increment', () => cache.counter.increment({ name: 'a' }, { value: 0.5 }), /a safe integer, got 0\.5$/],
    ['a string as an increment', () => cache.counter.increment({ name: 'a' }, { value: '1' as never }), /a safe integer, got "1"$/],
    [
      'an increment of a Float',
      () => cache.reading.increment({ device_metric: { device: 'd', metric: 'm' } }, { value: 1 } as never),
      /^Reading\.value: expected a field of type Int or BigInt to increment \(count in whole units, as cents are, or set the value\), got a finite number$/,
    ],
    [
      'an increment of a string field',
      () => cache.player.update({ where: { id }, data: { name: { increment: 1 } as never } }),
      /^Player\.name: expected a field of type Int or BigInt to increment, got a string$/,
    ],
    [
      'an increment that could not insert the row',
      () => cache.reading.increment({ device_metric: { device: 'd', metric: 'm' } }, { samples: 1 } as never),
      /^Reading\.value: expected a default, as increment inserts the row when it is missing \(use update or upsert\), got none$/,
    ],
    [
      'no increment at all',
      () => cache.counter.increment({ name: 'a' }, {}),
      /^Counter: expected at least one field to increment, got none$/,
    ],
    [
      'text that is too long',
      () => cache.player.update({ where: { id }, data: { name: '💛'.repeat(41) } }),
      /^Player\.name: expected at most 40 characters, got 41 characters$/,
    ],
    [
      'text with a NUL',
      () => cache.player.update({ where: { id }, data: { name: 'a\0' } }),
      /^Player\.name: expected text without the NUL character/,
    ],
    [
      'text that is not Unicode',
      () => cache.player.update({ where: { id }, data: { name: '\ud800' } }),
      /^Player\.name: expected well-formed Unicode text/,
    ],
    [
      'null where none is allowed',
      () => cache.player.update({ where: { id }, data: { name: null as never } }),
      /^Player\.name: expected a string, got null$/,
    ],
    [
      'plain null for Json',
      () => cache.document.update({ where: { id: 'a' }, data: { meta: null as never } }),
      /^Document\.meta: expected Prisma\.JsonNull or Prisma\.DbNull instead of null, got null$/,
    ],
    [
      'a DbNull for what is no Json',
      () => cache.document.update({ where: { id: 'a' }, data: { note: Prisma.DbNull as never } }),
      /^Document\.note: expected a string, got an? \w+$/,
    ],
    [
      'a null of Prisma for the data',
      () => cache.document.update({ where: { id: 'a' }, data: Prisma.JsonNull as never }),
      /^Document: expected data to be an object, got an? \w+$/,
    ],
    [
      'a Date for the data',
      () => cache.document.update({ where: { id: 'a' }, data: new Date(0) as never }),
      /^Document: expected data to be an object, got the Date 1970-01-01T00:00:00\.000Z$/,
    ],
    [
      'a DbNull for a required Json',
      () => cache.document.update({ where: { id: 'a' }, data: { body: Prisma.DbNull as never } }),
      /^Document\.body: expected a JSON value/,
    ],
    [
      'JSON that cannot be stored',
      () => cache.document.update({ where: { id: 'a' }, data: { body: { a: '\0' } } }),
      /^Document\.body: expected JSON without NUL characters/,
    ],
    [
      'a circle in JSON',
      () => cache.document.update({ where: { id: 'a' }, data: { body: circle() as never } }),
      /^Document\.body: expected a JSON value, got an object|a Object/i,
    ],
    [
      'a function in JSON, which JSON.stringify would drop',
      () => cache.document.update({ where: { id: 'a' }, data: { body: { a: () => 1 } as never } }),
      /^Document\.body: expected a JSON value, got an Object$/,
    ],
    [
      'undefined in a list of JSON, which JSON.stringify would make null',
      () => cache.document.update({ where: { id: 'a' }, data: { body: [undefined] as never } }),
      /^Document\.body: expected a JSON value, got an Array$/,
    ],
    [
      'an invalid Date in JSON',
      () => cache.document.update({ where: { id: 'a' }, data: { body: { at: new Date(Number.NaN) } } }),
      /^Document\.body: expected a JSON value, got an Object$/,
    ],
    [
      'a Date in JSON that Prisma cannot send',
      () => cache.document.update({ where: { id: 'a' }, data: { body: { at: new Date('+012345-01-01T00:00:00Z') } } }),
      /^Document\.body: expected a JSON value, got an Object$/,
    ],
    [
      'a Decimal for JSON that is no number',
      () => cache.document.update({ where: { id: 'a' }, data: { body: new Prisma.Decimal('NaN') as never } }),
      /^Document\.body: expected a JSON value, got the Decimal NaN$/,
    ],
    [
      'a null of Prisma inside of JSON',
      () => cache.document.update({ where: { id: 'a' }, data: { body: { a: Prisma.JsonNull } as never } }),
      /^Document\.body: expected a JSON value, got an Object$/,
    ],
    [
      'an unknown enum member',
      () => cache.document.update({ where: { id: 'a' }, data: { state: 'published' as never } }),
      /^Document\.state: expected one of DRAFT, PUBLISHED, ARCHIVED, got "published"$/,
    ],
    [
      'a decimal with too many digits',
      () => cache.document.update({ where: { id: 'a' }, data: { price: '99999999999' } }),
      /^Document\.price: expected a finite decimal of at most 10 digits before the point/,
    ],
    [
      'a hexadecimal decimal',
      () => cache.document.update({ where: { id: 'a' }, data: { price: '0x1F' } }),
      /^Document\.price: expected a finite decimal .* got "0x1F"$/,
    ],
    [
      'a list that is none',
      () => cache.document.update({ where: { id: 'a' }, data: { tags: 'a' as never } }),
      /^Document\.tags: expected a list of a string, got "a"$/,
    ],
    [
      'an invalid Date',
      () => cache.document.update({ where: { id: 'a' }, data: { createdAt: new Date(Number.NaN) } }),
      /^Document\.createdAt: expected a Date or an ISO 8601 date-time .* got an invalid Date$/,
    ],
    [
      'a day that there is not',
      () => cache.document.update({ where: { id: 'a' }, data: { createdAt: '2023-02-29T00:00:00Z' } }),
      /^Document\.createdAt: expected a Date or an ISO 8601 date-time .* got "2023-02-29T00:00:00Z"$/,
    ],
    [
      'a date-time without seconds',
      () => cache.document.update({ where: { id: 'a' }, data: { createdAt: '2023-02-28T00:00Z' } }),
      /^Document\.createdAt: expected a Date or an ISO 8601 date-time .* got "2023-02-28T00:00Z"$/,
    ],
    [
      'a date PostgreSQL would read otherwise',
      () => cache.document.update({ where: { id: 'a' }, data: { createdAt: new Date('+012345-01-01T00:00:00Z') } }),
      /between the years 1 and 9999/,
    ],
    [
      'bytes that are none',
      () => cache.document.update({ where: { id: 'a' }, data: { blob: 'x' as never } }),
      /^Document\.blob: expected a Uint8Array, got "x"$/,
    ],
    ['a UUID that is none', () => cache.player.delete({ where: { id: 'nobody' } }), /^Player\.id: expected a UUID, got "nobody"$/],
    ['a missing key', () => cache.player.delete({ where: {} as never }), /^Player\.id: expected a string, got undefined$/],
    [
      'a filter beside the key',
      () => cache.player.delete({ where: { id, score: 1 } as never }),
      /^Player\.score: expected only the key \(id\) in where, got 1$/,
    ],
    [
      'half a compound key',
      () => cache.reading.delete({ where: { device_metric: { device: 'd' } } as never }),
      /^Reading\.metric: expected a string, got undefined$/,
    ],
    [
      'a compound key spelt flat',
      () => cache.reading.delete({ where: { device: 'd', metric: 'm' } as never }),
      /^Reading: expected where to be \{ device_metric: \{ … \} \}/,
    ],
    [
      'a changed key',
      () => cache.counter.update({ where: { name: 'a' }, data: { name: 'b' } }),
      /^Counter\.name: expected the key of where in data \(a key cannot be changed\), got "b"$/,
    ],
    [
      'a create without a required field',
      () => cache.document.upsert({ ...document, create: { title: 't' } as never, update: {} }),
      /^Document\.body: expected a value in create \(the field has no default\), got none$/,
    ],
    [
      'an operation there is not',
      () => cache.counter.update({ where: { name: 'a' }, data: { value: { multiply: 2 } as never } }),
      /^Counter\.value: expected a value, \{ set \}, \{ increment \}, \{ decrement \}, \{ max \} or \{ min \}, got \{ multiply \}$/,
    ],
    [
      'an argument there is not',
      () => cache.counter.update({ where: { name: 'a' }, data: {}, select: {} } as never),
      /^Counter: expected only where, data, got select$/,
    ],
    [
      'a relation in select',
      () => cache.counter.findUnique({ where: { name: 'a' }, select: { owner: true } as never }),
      /^Counter\.owner: expected a scalar field in select/,
    ],
  ]

  test.each(cases)('%s: is refused, says why, and stores nothing', async (_, call, message) => {
    const error = await call().then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(InvalidInputError)
    expect(error).toMatchObject({ code: 'INVALID_INPUT', message: expect.stringMatching(message) })
    expect(await cache.status()).toEqual((await cache.status()).map((status) => ({ ...status, dirty: 0, writes: 0 })))
  })
})

function circle(): object {
  const object: Record<string, unknown> = {}
  object.self = object
  return object
}
