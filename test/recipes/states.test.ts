/** The recipes that keep a state: what arrives, and what their traps would break. */
import { describe, expect, test } from 'vitest'
import { Prisma } from '../../generated/recipes/client/client.js'
import { InvalidInputError } from '../../src/index.js'
import { useServers } from './servers.js'

const servers = useServers()

describe('likes', () => {
  const rows = (postId: string) => servers.query('select "userId" from "Like" where "postId" = $1 order by 1', [postId])

  test('count each user once, however often and wherever the user clicks', async () => {
    await servers.atOnce(100, ({ likes }, n) => likes.like(`user${n % 3}`, 'popular'))
    expect(await servers.two.likes.hasLiked('user1', 'popular')).toBe(true)
    await servers.flush()
    expect(await rows('popular')).toEqual([{ userId: 'user0' }, { userId: 'user1' }, { userId: 'user2' }])
    await servers.two.likes.like('user1', 'popular')
    await servers.flush()
    expect(await servers.one.likes.countLikes('popular')).toBe(3)
  })

  test('keep the time of the first like', async () => {
    const time = () => servers.query('select "createdAt"::text from "Like" where "postId" = $1', ['twice'])
    await servers.one.likes.like('user', 'twice')
    await servers.flush()
    const [first] = await time()
    await servers.two.likes.like('user', 'twice')
    await servers.flush()
    expect(first).toBeDefined()
    expect(await time()).toEqual([first])
  })

  test('are taken back, also before a flush and also if there was none', async () => {
    await servers.one.likes.like('flushed', 'left')
    await servers.flush()
    await servers.one.likes.like('early', 'left')
    await servers.atOnce(10, ({ likes }, n) => likes.unlike(['flushed', 'early', 'never'][n % 3] as string, 'left'))
    expect(await servers.one.likes.hasLiked('flushed', 'left')).toBe(false)
    await servers.flush()
    expect(await rows('left')).toEqual([])
  })

  test('of a deleted post go, also those that were not flushed', async () => {
    await servers.one.likes.like('flushed', 'deleted')
    await servers.flush()
    await servers.two.likes.like('waiting', 'deleted')
    await servers.one.likes.forgetPost('deleted')
    await servers.flush()
    expect(await rows('deleted')).toEqual([])
    expect(await servers.two.likes.hasLiked('waiting', 'deleted')).toBe(false)
  })
})

describe('last seen', () => {
  test('never steps back', async () => {
    const now = Date.now()
    await servers.atOnce(100, ({ presence }, n) => presence.seen('ada', new Date(now - n)))
    expect(await servers.two.presence.lastSeenAt('ada')).toEqual(new Date(now))
    await servers.flush()
    await servers.two.presence.seen('ada', new Date(now - 60_000))
    await servers.flush()
    expect(await servers.one.prisma.presence.findUnique({ where: { userId: 'ada' } })).toEqual({ userId: 'ada', lastSeenAt: new Date(now) })
  })

  test('tells who is online by the rows that were flushed', async () => {
    const at = new Date(Date.UTC(2030, 0, 1))
    await servers.one.presence.seen('present', at)
    await servers.one.presence.seen('away', new Date(at.getTime() - 300_000))
    expect(await servers.two.presence.lastSeenAt('present')).toEqual(at)
    expect(await servers.two.presence.countOnline(at)).toBe(0)
    await servers.flush()
    expect(await servers.two.presence.countOnline(at)).toBe(1)
  })

  test('forgets a user who is still waiting for a flush', async () => {
    await servers.one.presence.seen('leaving')
    await servers.two.presence.forgetUser('leaving')
    await servers.flush()
    expect(await servers.one.presence.lastSeenAt('leaving')).toBeNull()
    expect(await servers.query(`select 1 from "Presence" where "userId" = 'leaving'`)).toEqual([])
  })
})

describe('autosave', () => {
  const texts = (documentId: string) =>
    servers.query('select "authorId", text from "Draft" where "documentId" = $1 order by 1', [documentId])

  test('keeps the text that was saved last, of each author apart', async () => {
    for (let n = 1; n <= 20; n++) {
      const server = n % 2 === 0 ? servers.one : servers.two
      await server.drafts.saved('letter', 'ada', `ada ${n}`)
      await server.drafts.saved('letter', 'bob', `bob ${n}`)
    }
    expect(await servers.one.drafts.draft('letter', 'ada')).toBe('ada 20')
    expect(await servers.one.drafts.draft('letter', 'eve')).toBeNull()
    await servers.flush()
    expect(await texts('letter')).toEqual([
      { authorId: 'ada', text: 'ada 20' },
      { authorId: 'bob', text: 'bob 20' },
    ])
  })

  test('tells whether the text is in the database, and brings it there', async () => {
    await servers.one.drafts.saved('note', 'ada', 'first')
    expect(await servers.two.drafts.isSafe('note', 'ada')).toBe(false)
    expect(await texts('note')).toEqual([])
    await servers.two.drafts.savedForGood('note', 'ada')
    expect(await texts('note')).toEqual([{ authorId: 'ada', text: 'first' }])
    expect(await servers.one.drafts.isSafe('note', 'ada')).toBe(true)
  })

  test('discards a draft, flushed or not', async () => {
    await servers.one.drafts.saved('old', 'ada', 'flushed')
    await servers.flush()
    await servers.one.drafts.saved('old', 'ada', 'changed')
    await servers.two.drafts.discarded('old', 'ada')
    await servers.two.drafts.discarded('old', 'nobody')
    expect(await servers.one.drafts.draft('old', 'ada')).toBeNull()
    await servers.flush()
    expect(await texts('old')).toEqual([])
  })

  test('refuses a text that is too long, and keeps the one before', async () => {
    await servers.one.drafts.saved('long', 'ada', 'short')
    await expect(servers.one.drafts.saved('long', 'ada', 'x'.repeat(1_048_577))).rejects.toThrow(InvalidInputError)
    expect(await servers.two.drafts.draft('long', 'ada')).toBe('short')
  })
})

describe('the inventory', () => {
  const insert = (sku: string, stock: number) =>
    servers.query(`insert into "Item" (sku, name, price, stock) values ($1, 'Lamp', 19.90, $2)`, [sku, stock])
  const stockOf = async (sku: string) => (await servers.query('select stock from "Item" where sku = $1', [sku]))[0]
  const reserved = (sku: string) =>
    servers.query<{ count: number; sum: number | null }>('select count(*)::int, sum(quantity)::int from "Reservation" where sku = $1', [
      sku,
    ])

  test('never sells more than there is, to 200 orders at once', async () => {
    await insert('lamp', 100)
    const answers = await servers.atOnce(200, ({ inventory }, n) => inventory.reserve(`order${n}`, 'lamp', 3))
    expect(answers.filter((has) => has)).toHaveLength(33)
    expect(await stockOf('lamp')).toEqual({ stock: 1 })
    expect(await reserved('lamp')).toEqual([{ count: 33, sum: 99 }])
    for (const server of [servers.one, servers.two])
      expect(await server.inventory.item('lamp')).toEqual({ price: new Prisma.Decimal('19.9'), stock: 1 })
  })

  test('reserves once for an order that asks again, also at the same time and when nothing is left', async () => {
    await insert('desk', 10)
    expect(await servers.atOnce(10, ({ inventory }) => inventory.reserve('order', 'desk', 10))).toEqual(Array(10).fill(true))
    expect(await stockOf('desk')).toEqual({ stock: 0 })
    expect(await servers.one.inventory.reserve('order', 'desk', 9)).toBe(false)
    expect(await servers.one.inventory.reserve('other', 'desk', 1)).toBe(false)
  })

  test('gives back what was reserved, once, also while others reserve and release the same order', async () => {
    await insert('chair', 100)
    await servers.atOnce(10, async ({ inventory }, client) => {
      for (let n = 0; n < 12; n++) {
        if ((client + n) % 2 === 0) await inventory.reserve('order', 'chair', 1 + ((client * n) % 5))
        else await inventory.release('order', 'chair')
      }
    })
    const [row] = await reserved('chair')
    expect(await stockOf('chair')).toEqual({ stock: 100 - (row?.sum ?? 0) })
    await servers.atOnce(10, ({ inventory }) => inventory.release('order', 'chair'))
    expect(await stockOf('chair')).toEqual({ stock: 100 })
    expect(await reserved('chair')).toEqual([{ count: 0, sum: null }])
  })

  test('answers the page of an item from Redis', async () => {
    await insert('sofa', 5)
    expect(await servers.one.inventory.item('sofa')).toMatchObject({ stock: 5 })
    await servers.query(`update "Item" set stock = 7 where sku = 'sofa'`)
    expect(await servers.two.inventory.item('sofa')).toMatchObject({ stock: 5 })
    await servers.two.cache.item.invalidate({ sku: 'sofa' })
    expect(await servers.one.inventory.item('sofa')).toMatchObject({ stock: 7 })
  })

  test('shows the stock of the last reservation on every server', async () => {
    await insert('shelf', 5)
    expect(await servers.two.inventory.item('shelf')).toMatchObject({ stock: 5 })
    await servers.one.inventory.reserve('order', 'shelf', 2)
    expect(await servers.two.inventory.item('shelf')).toMatchObject({ stock: 3 })
    await servers.one.inventory.release('order', 'shelf')
    expect(await servers.two.inventory.item('shelf')).toMatchObject({ stock: 5 })
  })

  test('reserves nothing of an item that is not there, and no quantity below one', async () => {
    expect(await servers.one.inventory.reserve('order', 'nothing', 1)).toBe(false)
    expect(await servers.one.inventory.item('nothing')).toBeNull()
    for (const quantity of [0, -1, 1.5]) await expect(servers.one.inventory.reserve('order', 'lamp', quantity)).rejects.toThrow(RangeError)
  })

  test('has a constraint against whatever forgets to look', async () => {
    await insert('vase', 1)
    await expect(servers.one.prisma.item.update({ where: { sku: 'vase' }, data: { stock: { decrement: 2 } } })).rejects.toThrow(
      'Item_stock_check',
    )
  })

  test('cannot use the calls of the cache, which do not tell whether an item is missing, or cannot subtract beside the constraint', async () => {
    await insert('bench', 5)
    const subtract = { stock: { decrement: 1 } }
    await servers.one.cache.item.update({ where: { sku: 'missing' }, data: subtract })
    const create = { name: 'Bench', price: 1, stock: -1 }
    await expect(servers.one.cache.item.upsert({ where: { sku: 'bench' }, create, update: subtract })).rejects.toThrow('23514')
    expect(await stockOf('bench')).toEqual({ stock: 5 })
  })
})
