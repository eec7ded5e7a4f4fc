import fc from 'fast-check'
import { expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { joinKey, KeyEncoder, shardOf, splitKey } from '../../src/model/key.js'

const parts = fc.array(fc.string({ unit: 'binary' }), { minLength: 1, maxLength: 3 })

test('a key gives its parts back, whatever is in them: no two records share one', () => {
  fc.assert(
    fc.property(parts, (texts) => {
      expect(splitKey(joinKey(texts))).toEqual(texts)
    }),
  )
})

test('a key has no character that Redis keys, queues or log lines give a meaning to', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(joinKey([text])).not.toMatch(/[:{}\n\r ]/)
    }),
  )
  expect(joinKey(['', 'a:b', '%{}'])).toBe('%:a%3Ab:%25%7B%7D')
  expect(joinKey([''])).toBe('%')
})

test('a decimal that the column would round is no key: it names no row, and not the one beside it', () => {
  const keys = new KeyEncoder({ ...models.document, key: ['price'] })
  expect(['1.5', 1.5, '1.50'].map((price) => keys.encode({ price }))).toEqual(['1.5', '1.5', '1.5'])
  expect(() => keys.encode({ price: '1.504' })).toThrow('Document.price: expected at most 2 digits behind the point of a key, got 1.504')
})

test('records spread evenly over shards, and each always falls into the same one', () => {
  const counts = Array(8).fill(0)
  for (let n = 0; n < 8000; n++) counts[shardOf(`/page/${n}`, 8)]++
  expect(Math.min(...counts)).toBeGreaterThan(800)
  // Part of the stored format: a change of the hash would leave dirty records where nobody looks.
  expect(['/', 'a', 'ü', ''].map((key) => shardOf(key, 8))).toEqual([6, 4, 3, 5])
})
