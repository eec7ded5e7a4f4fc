/** The recipes that add up: what arrives, and what their traps would break. */
import { describe, expect, test } from 'vitest'
import { Prisma } from '../../generated/recipes/client/client.js'
import { InvalidInputError } from '../../src/index.js'
import { useServers } from './servers.js'

const servers = useServers()

describe('the view counter', () => {
  test('counts each view once, in one row for a page', async () => {
    await servers.atOnce(1000, ({ views }) => views.viewed('/'))
    await servers.one.views.viewed('/about')
    expect(await servers.two.views.views('/')).toBe(1000n)
    expect(await servers.two.views.views('/nowhere')).toBe(0n)
    await servers.flush()
    expect(await servers.query('select path, views::int from "PageView" order by path')).toEqual([
      { path: '/', views: 1000 },
      { path: '/about', views: 1 },
    ])
    expect(await servers.one.views.mostViewed(1)).toEqual([{ path: '/', views: 1000n }])
  })

  test('keeps the time of the last view', async () => {
    await servers.one.views.viewed('/late')
    await servers.flush()
    const before = Date.now()
    await servers.two.views.viewed('/late')
    await servers.flush()
    const row = await servers.one.prisma.pageView.findUnique({ where: { path: '/late' } })
    expect(row?.views).toBe(2n)
    expect(row?.lastViewedAt.getTime()).toBeGreaterThanOrEqual(before)
  })
})

describe('the leaderboard', () => {
  test('keeps the best score, the sum and the number of games', async () => {
    await servers.atOnce(100, ({ board }, n) => board.scored('spring', 'ada', n))
    const standing = { best: 99, total: 4950n, games: 100 }
    expect(await servers.two.board.standing('spring', 'ada')).toEqual(standing)
    expect(await servers.one.board.standing('autumn', 'ada')).toBeNull()
    await servers.flush()
    expect(await servers.query(`select best, total::int, games from "Score" where player = 'ada'`)).toEqual([{ ...standing, total: 4950 }])
  })

  test('takes a score that is not positive as the first one', async () => {
    await servers.one.board.scored('winter', 'ada', -5)
    await servers.two.board.scored('winter', 'ada', -7)
    await servers.flush()
    expect(await servers.query(`select best, total::int, games from "Score" where season = 'winter'`)).toEqual([
      { best: -5, total: -12, games: 2 },
    ])
  })

  test('has the order of the last flush, and the final one has every acknowledged score', async () => {
    await servers.atOnce(12, ({ board }, n) => board.scored('summer', `player${String(n).padStart(2, '0')}`, Math.floor(n / 2)))
    expect(await servers.one.board.topTen('summer')).toEqual([])
    const top = await servers.two.board.finalTopTen('summer')
    expect(top.map(({ best }) => best)).toEqual([5, 5, 4, 4, 3, 3, 2, 2, 1, 1])
    expect(top.slice(0, 2).map(({ player }) => player)).toEqual(['player10', 'player11'])

    await servers.one.board.scored('summer', 'player00', 9)
    expect(await servers.two.board.topTen('summer')).toEqual(top)
    expect(await servers.two.board.standing('summer', 'player00')).toMatchObject({ best: 9 })
    expect((await servers.two.board.finalTopTen('summer'))[0]).toEqual({ player: 'player00', best: 9 })
  })
})

describe('the readings of sensors', () => {
  const NINE = Date.UTC(2026, 0, 1, 9)

  test('become one row an hour, in whatever order they come', async () => {
    // From 08:50 to 09:50, the last one first.
    await servers.atOnce(61, ({ sensors }, n) => sensors.measured('cellar', (60 - n) * 100, new Date(NINE + (50 - n) * 60_000)))
    expect(await servers.two.sensors.summary('cellar', new Date(NINE + 5))).toEqual({
      samples: 51,
      average: 3.5,
      lowest: 1,
      highest: 6,
      lastAt: new Date(NINE + 50 * 60_000),
    })
    expect(await servers.two.sensors.summary('attic', new Date(NINE))).toBeNull()
    await servers.flush()
    expect(await servers.query('select hour::text, samples, sum::int, lowest, highest from "SensorHour" order by hour')).toEqual([
      { hour: '2026-01-01 08:00:00', samples: 10, sum: 4500, lowest: 0, highest: 900 },
      { hour: '2026-01-01 09:00:00', samples: 51, sum: 178_500, lowest: 1000, highest: 6000 },
    ])
  })

  test('add to the hour when they come after its flush', async () => {
    const at = new Date(NINE - 3_600_000)
    await servers.one.sensors.measured('garden', -2000, at)
    await servers.flush()
    await servers.two.sensors.measured('garden', -4000, new Date(at.getTime() - 1))
    await servers.two.sensors.measured('garden', -4000, at)
    await servers.flush()
    expect(await servers.one.sensors.summary('garden', at)).toEqual({ samples: 2, average: -3, lowest: -4, highest: -2, lastAt: at })
  })

  test('that are no whole number or have no time are refused', async () => {
    await expect(servers.one.sensors.measured('cellar', 21.5, new Date(NINE))).rejects.toThrow(InvalidInputError)
    await expect(servers.one.sensors.measured('cellar', 21, new Date(Number.NaN))).rejects.toThrow(InvalidInputError)
  })
})

describe('the usage of language models', () => {
  const day = new Date(Date.UTC(2026, 1, 28, 23, 59))

  test('adds up to the billionth of a dollar', async () => {
    const cost = new Prisma.Decimal('0.000000150')
    await servers.atOnce(1000, ({ usage }) => usage.spent('ada', 'small', { input: 3, output: 2, cost }, day))
    expect(String(await servers.two.usage.costOfDay('ada', 'small', day))).toBe('0.00015')
    expect(String(await servers.two.usage.costOfDay('ada', 'large', day))).toBe('0')
    await servers.flush()
    const columns = 'day::text, calls, "inputTokens"::int, "outputTokens"::int, "nanoDollars"::int'
    expect(await servers.query(`select ${columns} from "Usage" where "userId" = 'ada'`)).toEqual([
      { day: '2026-02-28', calls: 1000, inputTokens: 3000, outputTokens: 2000, nanoDollars: 150_000 },
    ])
  })

  test('rounds a part of a billionth up', async () => {
    await servers.one.usage.spent('bob', 'small', { input: 1, output: 0, cost: new Prisma.Decimal('0.0000000001') }, day)
    expect(String(await servers.one.usage.costOfDay('bob', 'small', day))).toBe('1e-9')
  })

  test('sums up a month over models and days, with what is not flushed yet', async () => {
    const spend = (model: string, at: Date, cost: string) =>
      servers.two.usage.spent('eve', model, { input: 1, output: 1, cost: new Prisma.Decimal(cost) }, at)
    await spend('small', new Date(Date.UTC(2026, 0, 31, 23)), '100')
    await spend('small', new Date(Date.UTC(2026, 1, 1)), '0.10')
    await spend('large', new Date(Date.UTC(2026, 1, 1, 12)), '0.20')
    await spend('large', day, '1000000.000000001')
    await spend('small', new Date(Date.UTC(2026, 2, 1)), '100')
    const month = await servers.one.usage.costOfPeriod('eve', new Date(Date.UTC(2026, 1, 1)), new Date(Date.UTC(2026, 2, 1)))
    expect(String(month)).toBe('1000000.300000001')
    expect(String(await servers.one.usage.costOfPeriod('nobody', new Date(0), day))).toBe('0')
  })
})
