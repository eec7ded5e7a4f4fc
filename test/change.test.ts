/** When what is inserted and what is changed follow from each other, so that one INSERT … ON CONFLICT does both. */
import { expect, test } from 'vitest'
import { models } from '../generated/write-behind.js'
import { ChangeReader } from '../src/schema/change.js'
import type { Field, Model } from '../src/schema/model.js'

/** A model whose score is of that type. */
function modelOf(type: Partial<Field>): Model {
  const fields = models.player.fields.map((field) => (field.name === 'score' ? { ...field, ...type } : field))
  return { ...models.player, fields } as Model
}

test.each([
  ['a small integer', { small: true }, 32_767, 32_768],
  ['an integer', {}, 2 ** 31 - 1, 2 ** 31],
  ['a big integer', { type: 'BigInt' } as const, 2n ** 63n - 1n, 2n ** 63n],
])('a sum that %s cannot hold as an inserted value is a change by itself', (_, type, largest, tooLarge) => {
  const reader = new ChangeReader(modelOf(type))
  const isRegular = (amount: number | bigint) => reader.read(['~', 'i-x0', '+score', String(amount)]).change.regular
  expect([isRegular(largest), isRegular(tooLarge)]).toEqual([true, false])
})
