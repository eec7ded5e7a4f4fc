import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FIGURE_NAMES } from '../bench/figures.js'
import { generator, percentile, zipf } from '../bench/load.js'
import { parseOptions, UsageError } from '../bench/options.js'
import { plot } from '../bench/plot.js'
import { against, alternate, countedOf } from '../bench/rounds.js'
import { watchStolen } from '../bench/stolen.js'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'write-behind-bench-test-'))
})

afterAll(() => rm(folder, { recursive: true, force: true }))

describe('the bench', () => {
  test('measures every figure, and prints it by its name', { timeout: 900_000 }, async () => {
    const file = join(folder, 'plot.svg')
    const args = ['--import', 'tsx', 'bench/main.ts', '--quick', '--json', '--scale', '0.01', '--rounds', '1', '--plot', file]
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args)
    const result = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Record<string, unknown>
    for (const name of FIGURE_NAMES) expect(result[name], name).toSatisfy(Number.isFinite)
    for (const name of FIGURE_NAMES) expect(stderr).toContain(name)
    expect(result).toMatchObject({ rounds: 1, stolen: expect.any(Number) as number, appendfsync: 'everysec', node: process.versions.node })
    expect(await readFile(file, 'utf8')).toMatch(/^<svg.*<polyline.*<\/svg>\n$/s)
  })

  test('refuses options that it does not know', () => {
    expect(parseOptions(['--quick', '--only', 'p99VsSet,flushVsRaw'])).toMatchObject({ quick: true, only: ['p99VsSet', 'flushVsRaw'] })
    expect(parseOptions(['--help'])).toBeUndefined()
    for (const args of [['--fast'], ['--only', 'speed'], ['--rounds', '0'], ['--rounds', '1.5'], ['--scale', 'x'], ['more']])
      expect(() => parseOptions(args)).toThrow(UsageError)
  })
})

describe('a comparison', () => {
  test('alternates, and is against the first peer, by the median of the ratios; the others stand beside it', async () => {
    const order: string[] = []
    const contender = (name: string, values: readonly number[]) => {
      let next = 0
      const run = async (count: number) => {
        order.push(`${name} ${count}`)
        return values[next++] as number
      }
      return { name, count: 10, run }
    }
    const contenders = [contender('ours', [0, 10, 40, 30]), contender('slow', [0, 1, 1, 1]), contender('fast', [0, 10, 10, 10])]
    const samples = await alternate({ rounds: 3, warmUp: 0, turn: 0, patience: 60_000, again: 0 }, contenders, host(0, 0, 0))
    const figure = against(samples, 'ours', ['fast', 'slow'])
    expect(order.slice(0, 6)).toEqual(['ours 5', 'slow 5', 'fast 5', 'ours 10', 'slow 10', 'fast 10'])
    expect(order.slice(6, 9)).toEqual(['ours 10', 'fast 10', 'slow 10'])
    expect(figure).toEqual({
      value: 3,
      ours: 30,
      peer: { name: 'fast', value: 10 },
      rounds: 3,
      ratios: { fast: 3, slow: 30 },
      raw: { ours: 30, slow: 1, fast: 10 },
    })
  })

  test('counts the median of the runs of a turn', async () => {
    let run = 0
    const waits = async () => {
      await new Promise((resolve) => setTimeout(resolve, 10))
      return run++ === 1 ? 100 : 1
    }
    const samples = await alternate({ rounds: 1, warmUp: 0, turn: 2000, patience: 0, again: 0 }, [{ name: 'ours', count: 1, run: waits }])
    expect(run).toBeGreaterThan(2)
    expect(samples.get('ours')).toEqual([1])
  })

  test('measures a disturbed round again', async () => {
    let run = 0
    const contender = { name: 'ours', count: 1, run: async () => run++ }
    const samples = await alternate({ rounds: 3, warmUp: 0, turn: 0, patience: 60_000, again: 60_000 }, [contender], host(0, 0.5, 0, 0))
    expect(samples.get('ours')).toEqual([1, 3, 4])
  })

  test('leaves out rounds in which the host of the machine took its time away, but counts a third at least', () => {
    const stolenOf = (...shares: number[]) =>
      countedOf(shares.map((stolen) => ({ stolen, figures: new Map() }))).map((round) => round.stolen)
    expect(stolenOf(0.5, 0.01, 0, 0.03)).toEqual([0, 0.01])
    expect(stolenOf(0.5, 0.01, 0.04, 0.03)).toEqual([0.01, 0.03])
    expect(stolenOf(0.5)).toEqual([0.5])
  })

  test('has one round at least, however long that takes', async () => {
    const samples = await alternate({ rounds: 3, warmUp: 0, turn: 0, patience: 0, again: 0 }, [
      { name: 'ours', count: 1, run: async () => 1 },
    ])
    expect(samples.get('ours')).toEqual([1])
  })
})

test('what the host takes is a share of the time', async () => {
  const stolen = watchStolen()
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(stolen()).toBeGreaterThanOrEqual(0)
  expect(stolen()).toBeLessThanOrEqual(1)
})

/** A host that takes these shares of the time away, one in each round. */
function host(...shares: number[]): () => () => number {
  return () => () => shares.shift() as number
}

describe('the load', () => {
  test('of Zipf repeats itself, and prefers the first keys', () => {
    const draws = zipf(100, 1.2, 10_000)
    expect(draws).toEqual(zipf(100, 1.2, 10_000))
    const share = (key: number) => draws.filter((draw) => draw === key).length / draws.length
    const total = Array.from({ length: 100 }, (_, n) => 1 / (n + 1) ** 1.2).reduce((sum, each) => sum + each, 0)
    expect(share(0)).toBeCloseTo(1 / total, 1)
    expect(Math.max(...draws)).toBeLessThan(100)
  })

  test('has percentiles', () => {
    const random = generator(1)
    const values = Array.from({ length: 1001 }, (_, n) => n).sort(() => random() - 0.5)
    expect([percentile(values, 0), percentile(values, 0.5), percentile(values, 0.99)]).toEqual([0, 500, 990])
  })
})

test('a plot has a curve for each of the panels, and escapes their names', () => {
  const points = [
    [1000, 5],
    [10_000, 50],
  ] as const
  const svg = plot([{ title: 'a < b', x: 'records', y: 'ms', curves: [{ name: 'A & B', points }] }])
  expect(svg).toContain('a &#60; b')
  expect(svg).toContain('A &#38; B')
  expect(svg.match(/<circle/g)).toHaveLength(2)
})
