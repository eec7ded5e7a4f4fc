import { afterAll, expect, it } from 'vitest'
import { packWrite } from '../src/redis/pack.js'
import { type Operation, Shapes } from '../src/schema/operation.js'
import { createRedis } from './fixture.js'

const LIMITS = { debounce: 0, maxWait: 2 ** 40, mostDirty: Number.MAX_SAFE_INTEGER, nameClean: true }
const ENTRIES = 'local unpacked = { cmsgpack.unpack(ARGV[1]) } local entries = unpacked[#unpacked]'
const FIRST_VALUES = `${ENTRIES} return { entries[1], entries[2], entries[3], cmsgpack.unpack(entries[4]) }`

const { redis, clean } = createRedis()
afterAll(clean)

const shape = new Shapes([]).intern('update', ['note', 'other'], [], [])

function setting(value: string, key = 'key'): Operation {
  return { key, shape, values: [value, 'v'] }
}

function pack(operations: readonly Operation[], traces = ''): Buffer {
  return packWrite('writer', 2 ** 33 + 1, 300, LIMITS, operations, traces)
}

it.each([0, 1, 31, 32, 255, 256, 65535, 65536])('packs a text of %i bytes as Redis reads it', async (size) => {
  const text = 'x'.repeat(size)
  expect(await redis.eval(FIRST_VALUES, 0, pack([setting(text)]))).toEqual([1, 1, 'key', text, 'v'])
})

it('packs texts by their bytes, whatever their characters', async () => {
  const text = `${'é'.repeat(20)}\0日本語😀`
  expect(await redis.eval(FIRST_VALUES, 0, pack([setting(text)]))).toEqual([1, 1, 'key', text, 'v'])
})

it.each([1, 7, 35_000])('packs a run of %i records', async (count) => {
  const operations = Array.from({ length: count }, (_, n) => setting('v', String(n)))
  expect(await redis.eval(`${ENTRIES} return { #entries, entries[1], entries[2] }`, 0, pack(operations))).toEqual([2 + 2 * count, 1, count])
})

it('begins a new run with a record that the last one has', async () => {
  const operations = ['a', 'b', 'a'].map((key) => setting('v', key))
  const runs = `${ENTRIES} return { entries[1], entries[2], entries[3], entries[5], entries[7], entries[8], entries[9] }`
  expect(await redis.eval(runs, 0, pack(operations))).toEqual([1, 2, 'a', 'b', 1, 1, 'a'])
})

it('packs numbers exactly', async () => {
  const script = `local unpacked = { cmsgpack.unpack(ARGV[1]) }
    local texts = {} for n = 2, 6 do texts[n - 1] = string.format('%.0f', unpacked[n]) end
    return { unpacked[1], texts, unpacked[7], unpacked[8] }`
  const numbers = [2 ** 33 + 1, 300, 0, 2 ** 40, Number.MAX_SAFE_INTEGER].map(String)
  expect(await redis.eval(script, 0, pack([setting('v')], '00-trace '))).toEqual(['writer', numbers, 1, '00-trace '])
})
