import { afterAll, expect, it } from 'vitest'
import { type Operation, Shapes } from '../../src/change/operation.js'
import { packWrite } from '../../src/redis/pack.js'
import { createRedis } from '../fixture.js'

const LIMITS = { debounce: 0, maxWait: 2 ** 40, maxDirty: Number.MAX_SAFE_INTEGER, maxBytes: 2 ** 22, nameClean: true }
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

it('packs what a call begins with', async () => {
  const script = `local unpacked = { cmsgpack.unpack(ARGV[1]) }
    for n = 1, 8 do if type(unpacked[n]) == 'number' then unpacked[n] = string.format('%.0f', unpacked[n]) end end
    return { unpacked[1], unpacked[2], unpacked[3], unpacked[4], unpacked[5], unpacked[6], unpacked[7], unpacked[8], unpacked[9] }`
  const limits = [0, 2 ** 40, Number.MAX_SAFE_INTEGER, 2 ** 22].map(String)
  const expected = [...limits, 1, 'writer', String(2 ** 33 + 1), '300', '00-trace ']
  expect(await redis.eval(script, 0, pack([setting('v')], '00-trace '))).toEqual(expected)
})

it.each([0, 127, 128, 65_536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER])('packs %i exactly', async (number) => {
  const script = `local unpacked = { cmsgpack.unpack(ARGV[1]) } return string.format('%.0f', unpacked[8])`
  expect(await redis.eval(script, 0, packWrite('writer', 1, number, LIMITS, [setting('v')], ''))).toBe(String(number))
})
