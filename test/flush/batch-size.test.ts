import { describe, expect, test } from 'vitest'

import { BatchSize } from '../../src/flush/batch-size.js'

const LONG = 501
const SHORT = 100

describe('the size of the next batch', () => {
  test('halves with each statement that takes too long, also a failing one, down to one record', () => {
    const size = new BatchSize(10)
    const sizes = [10, 5, 2, 1].map((records) => {
      expect(size.limits.records).toBe(records)
      size.adapt(records, LONG)
      return size.limits.records
    })
    expect(sizes).toEqual([5, 2, 1, 1])
  })

  test('stays when what took too long had fewer records than half of it: it is not their number', () => {
    const size = new BatchSize(1000)
    size.adapt(500, LONG)
    expect(size.limits.records).toBe(1000)
    size.adapt(501, LONG)
    expect(size.limits.records).toBe(500)
  })

  test('doubles with each full batch that is quick, up to the most that the policy allows', () => {
    const size = new BatchSize(10)
    size.adapt(10, LONG)
    size.adapt(5, LONG)
    size.adapt(1, SHORT)
    expect(size.limits.records).toBe(2)
    size.adapt(2, LONG / 2 + 1)
    expect(size.limits.records).toBe(2)
    for (const records of [2, 4, 8, 10]) size.adapt(records, SHORT)
    expect(size.limits.records).toBe(10)
  })
})
