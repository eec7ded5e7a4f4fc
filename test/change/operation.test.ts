import { expect, test } from 'vitest'
import { type OperationKind, Shapes } from '../../src/change/operation.js'

const KINDS: readonly OperationKind[] = ['upsert', 'update']
const LISTS = [[], ['a'], ['b'], ['a', 'b']]

test('shapes are the same where all names are and only there, whatever was asked for before', () => {
  const shapes = new Shapes([])
  const names = KINDS.flatMap((kind) =>
    LISTS.flatMap((sets) =>
      LISTS.flatMap((increments) => LISTS.flatMap((bases) => LISTS.map((bounds) => ({ kind, sets, increments, bases, bounds })))),
    ),
  )
  const intern = ({ kind, sets, increments, bases, bounds }: (typeof names)[number]) =>
    shapes.intern(kind, [...sets], [...increments], [...bases], [...bounds])
  const found = names.map(intern)
  expect(found).toMatchObject(names)
  expect(new Set(found).size).toBe(names.length)
  for (const before of names) {
    const again = names.map((each) => {
      intern(before)
      return intern(each)
    })
    expect(again.every((shape, n) => shape === found[n])).toBe(true)
  }
})
