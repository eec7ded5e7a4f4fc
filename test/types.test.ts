/** What the compiler knows about a call. `tsc` checks it, which `npm test` runs first. The bodies never run. */
import type { Decimal } from '@prisma/client/runtime/client'
import { expectTypeOf, test } from 'vitest'
import { Prisma } from '../generated/client/client.js'
import type { models } from '../generated/write-behind.js'
import type { Cache, Create, Field, Inserting, Select, Update } from '../src/index.js'

type Everything = Cache<typeof models, { counter: object; pageView: object; reading: object; player: object; document: object }>

test('a row has the types that Prisma gives it', () => {
  const find = (cache: Everything) => ({
    pageView: cache.pageView.findUnique({ where: { path: '/' } }),
    document: cache.document.findUnique({ where: { id: 'a' } }),
  })
  type Found<N extends 'pageView' | 'document'> = NonNullable<Awaited<ReturnType<typeof find>[N]>>
  expectTypeOf<Found<'pageView'>>().toEqualTypeOf<{
    path: string
    views: bigint
    bytes: bigint
    lastStatus: number | null
    lastSeen: Date | null
    updatedAt: Date
  }>()
  expectTypeOf<Found<'document'>['state']>().toEqualTypeOf<'DRAFT' | 'PUBLISHED' | 'ARCHIVED'>()
  expectTypeOf<Found<'document'>['tags']>().toEqualTypeOf<string[]>()
  expectTypeOf<Found<'document'>['price']>().toEqualTypeOf<Decimal>()
  expectTypeOf<Found<'document'>['blob']>().toEqualTypeOf<Uint8Array | null>()
})

test('select narrows the row', () => {
  const select = (cache: Everything) => cache.player.findUnique({ where: { id: '' }, select: { name: true, score: true } })
  expectTypeOf<Awaited<ReturnType<typeof select>>>().toEqualTypeOf<{ name: string; score: number } | null>()
})

test('calls take what Prisma takes, and nothing that it refuses', () => {
  const calls = async (cache: Everything) => {
    await cache.pageView.increment({ path: '/' }, { views: 1, bytes: 20n })
    await cache.reading.upsert({
      where: { device_metric: { device: 'd', metric: 'm' } },
      create: { device: 'd', metric: 'm', value: 1, at: '2026-01-01T00:00:00Z' },
      update: { value: { set: 2 }, samples: { increment: 1 } },
    })
    await cache.document.update({
      where: { id: 'a' },
      data: { meta: Prisma.DbNull, body: { list: [1, null] }, tags: { set: ['x'] }, price: '1.20', note: null },
    })
    // @ts-expect-error a field that the model does not have
    await cache.counter.increment({ name: 'a' }, { valeu: 1 })
    // @ts-expect-error a Float is no counter
    await cache.reading.increment({ device_metric: { device: 'd', metric: 'm' } }, { value: 1 })
    // @ts-expect-error an Int is counted in numbers
    await cache.player.increment({ id: '' }, { score: 1n })
    // @ts-expect-error title is required
    await cache.document.upsert({ where: { id: 'a' }, create: { body: {} }, update: {} })
    // @ts-expect-error null where none is allowed
    await cache.player.update({ where: { id: '' }, data: { name: null } })
    // @ts-expect-error no member of the enum
    await cache.document.update({ where: { id: 'a' }, data: { state: 'published' } })
    // @ts-expect-error half a compound key
    await cache.reading.delete({ where: { device_metric: { device: 'd' } } })
    // @ts-expect-error a model without a policy
    await (cache as Cache<typeof models, { counter: object }>).player.delete({ where: { id: '' } })
  }
  expectTypeOf(calls).toBeFunction()
})

test('reads of many, barriers and what is pending know their model', () => {
  const calls = async (cache: Everything) => {
    const keys = [{ device_metric: { device: 'd', metric: 'm' } }]
    expectTypeOf(await cache.reading.findMany({ keys, select: { value: true } })).toEqualTypeOf<({ value: number } | null)[]>()
    const pending = await cache.pageView.pending({ path: '/' })
    expectTypeOf(pending?.set.lastSeen).toEqualTypeOf<Date | null | undefined>()
    expectTypeOf(pending?.increment.views).toEqualTypeOf<bigint | undefined>()
    expectTypeOf(pending?.insert?.updatedAt).toEqualTypeOf<Date | undefined>()
    expectTypeOf(pending?.state).toEqualTypeOf<'pending' | 'claimed' | 'parked' | undefined>()
    await cache.flush({ timeout: 1 })
    await cache.flush({ model: 'reading' })
    await cache.flush({ model: 'reading', key: { device_metric: { device: 'd', metric: 'm' } }, timeout: 1 })
    // @ts-expect-error no such model
    await cache.flush({ model: 'nope' })
    // @ts-expect-error another model's key
    await cache.flush({ model: 'reading', key: { path: '/' } })
    // @ts-expect-error a key of no model
    await cache.flush({ key: { path: '/' } })
    // @ts-expect-error the key is no part of what waits
    pending?.insert?.path
  }
  expectTypeOf(calls).toBeFunction()
})

test('what starts from a default of the database or of Prisma is counted only in a row that is there', () => {
  type PageView = (typeof models)['pageView']
  type Foreign<F> = F extends Field & { name: 'views' } ? Omit<F, 'default'> & { readonly default: { readonly kind: 'foreign' } } : F
  type Made = Omit<PageView, 'fields'> & { readonly fields: readonly Foreign<PageView['fields'][number]>[] }
  const calls = async (cache: Cache<{ pageView: Made }, { pageView: object }>) => {
    await cache.pageView.update({ where: { path: '/' }, data: { views: { increment: 1 } } })
    // @ts-expect-error a missing row could not be inserted, as only the database knows what views begins with
    await cache.pageView.increment({ path: '/' }, { bytes: 1 })
    // @ts-expect-error nobody knows where it would start in a row that is missing
    await cache.pageView.increment({ path: '/' }, { views: 1 })
  }
  expectTypeOf(calls).toBeFunction()
})

test('set, decrement, max and min take the fields that they can change', () => {
  const calls = async (cache: Everything) => {
    const reading = { device_metric: { device: 'd', metric: 'm' } }
    await cache.pageView.set({ path: '/' }, { lastSeen: null, views: 1 })
    await cache.pageView.decrement({ path: '/' }, { views: 1n })
    await cache.pageView.max({ path: '/' }, { lastSeen: new Date(), views: 5, lastStatus: 200 })
    await cache.reading.min(reading, { value: 0.5, at: '2026-01-01T00:00:00Z' })
    await cache.document.update({ where: { id: 'a' }, data: { price: { max: '1.50' }, rank: { min: 3 }, createdAt: { min: new Date() } } })
    // @ts-expect-error no operations in set
    await cache.counter.set({ name: 'a' }, { value: { increment: 1 } })
    // @ts-expect-error a string has no maximum
    await cache.player.max({ id: '' }, { name: 'z' })
    // @ts-expect-error a bound is a value
    await cache.pageView.max({ path: '/' }, { lastSeen: null })
    // @ts-expect-error JSON has no minimum
    await cache.document.min({ id: 'a' }, { body: 1 })
    // @ts-expect-error a list has no maximum
    await cache.document.update({ where: { id: 'a' }, data: { tags: { max: ['a'] } } })
    // @ts-expect-error a date is not counted
    await cache.pageView.decrement({ path: '/' }, { lastSeen: 1 })
    expectTypeOf((await cache.pageView.pending({ path: '/' }))?.max.lastSeen).toEqualTypeOf<Date | undefined>()
  }
  expectTypeOf(calls).toBeFunction()
})

test('what would insert a row that lacks a field is not taken, and says what to call instead', () => {
  const calls = async (cache: Everything) => {
    const reading = { device_metric: { device: 'd', metric: 'm' } }
    await cache.player.set({ id: '' }, { name: 'x', score: 1 })
    await cache.reading.max(reading, { value: 1, at: new Date() })
    await cache.player.update({ where: { id: '' }, data: { score: { increment: 1 } } })
    // @ts-expect-error name has no default: call update or upsert
    await cache.player.increment({ id: '' }, { score: 1 })
    // @ts-expect-error
    await cache.player.decrement({ id: '' }, { score: 1 })
    // @ts-expect-error
    await cache.player.set({ id: '' }, { score: 1 })
    // @ts-expect-error
    await cache.player.max({ id: '' }, { score: 1 })
    // @ts-expect-error
    await cache.reading.min(reading, { value: 1 })
  }
  expectTypeOf(calls).toBeFunction()
  expectTypeOf<
    Inserting<(typeof models)['player'], { score: number }, 'score'>
  >().toExtend<`${string} call update, which changes only a row that is there, or upsert`>()
})

test('a name that the model does not have is refused, in a literal and in a variable', () => {
  const calls = async (cache: Everything) => {
    const where = { path: '/' }
    const [select, data, amounts] = [{ path: true, nope: true } as const, { views: 1, nope: 2 }, { views: 1, nope: 2 }]
    // @ts-expect-error
    await cache.pageView.findUnique({ where, select: { nope: true } })
    // @ts-expect-error
    await cache.pageView.findUnique({ where, select })
    // @ts-expect-error
    await cache.pageView.findMany({ keys: [where], select: { path: true, nope: true } })
    // @ts-expect-error
    await cache.pageView.findMany({ keys: [where], select })
    // @ts-expect-error
    await cache.pageView.findUnique({ where, include: {} })
    // @ts-expect-error
    await cache.pageView.update({ where, data: { nope: 1 } })
    // @ts-expect-error
    await cache.pageView.update({ where, data })
    // @ts-expect-error
    await cache.pageView.update({ where, data: { views: { increment: 1, nope: 1 } } })
    // @ts-expect-error two operations
    await cache.pageView.update({ where, data: { views: { increment: 1, decrement: 1 } } })
    // @ts-expect-error
    await cache.pageView.upsert({ where, create: data, update: {} })
    // @ts-expect-error
    await cache.pageView.upsert({ where, create: {}, update: data })
    // @ts-expect-error
    await cache.pageView.increment(where, amounts)
    // @ts-expect-error
    await cache.pageView.set(where, data)
    // @ts-expect-error
    await cache.pageView.delete({ where: { path: '/', nope: 1 } })
  }
  expectTypeOf(calls).toBeFunction()
})

test('arguments of a declared type are taken as they are', () => {
  type PageView = (typeof models)['pageView']
  const calls = async (cache: Everything, update: Update<PageView>, create: Create<PageView>, select: Select<PageView>) => {
    const where = { path: '/' }
    await cache.pageView.update({ where, data: update })
    await cache.pageView.upsert({ where, create, update })
    expectTypeOf(await cache.pageView.findUnique({ where, select })).toEqualTypeOf<Record<never, never> | null>()
  }
  expectTypeOf(calls).toBeFunction()
})
