/** What a pending change comes to. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { models } from '../generated/write-behind.js'
import { textsOf } from '../src/schema/change.js'
import { ChangeReader } from '../src/schema/change-reader.js'
import { NULL } from '../src/schema/codec.js'
import { type Copy, fitsCopy } from '../src/schema/copy.js'
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
  const isRegular = (amount: number | bigint) => reader.readContent(['~', 'i-x0', '+score', String(amount)]).change.regular
  expect([isRegular(largest), isRegular(tooLarge)]).toEqual([true, false])
})

const integers = fc.oneof(fc.integer({ min: -5, max: 5 }), fc.bigInt({ min: -(2n ** 66n), max: 2n ** 66n })).map(String)
const values = fc.oneof(integers, fc.constant(NULL), fc.constantFrom('', 'é', NULL))
/** Fields of a pending change, each with a text. A model's counters come first: only they are incremented. */
const contents = fc.uniqueArray(
  fc.tuple(
    fc.constantFrom(
      '+views',
      '<+views',
      '!views',
      '=views',
      '<=views',
      '+bytes',
      '+lastStatus',
      '!lastStatus',
      '=lastStatus',
      '=lastSeen',
      '!lastSeen',
    ),
    integers,
    values,
  ),
  { selector: ([name]) => name },
)

test('a change that is passed on comes to what reading it comes to', () => {
  const reader = new ChangeReader(models.pageView)
  let copied = 0
  const isSame = (state: string, content: [string, string, string][]) => {
    const form = reader.form(
      state,
      content.map(([name]) => name),
    )
    const texts = content.map(([name, integer, value]) => (name.includes('+') ? integer : value))
    const raw = rawTextsOf(texts)
    if (form.copy === undefined || !fitsCopy(form.copy, raw, 0)) return
    copied++
    const { kind, pattern, regular, ...change } = reader.read(form, texts)
    expect(form.copy).toMatchObject({ kind, pattern, regular })
    expect(rowOf(form.copy, texts)).toEqual(textsOf({ kind, pattern, regular, ...change }))
  }
  fc.assert(fc.property(fc.constantFrom('u', 'i', 'c', 'r', 'd'), contents, isSame), { numRuns: 5000 })
  expect(copied).toBeGreaterThan(1000)
})

test.each([
  ['an increment', 'i', ['+views'], true],
  ['an upsert that sets and increments', 'i', ['=lastStatus', '=lastSeen', '+views', '+bytes'], true],
  ['sets', 'u', ['=lastSeen', '=views'], true],
  ['a row', 'c', ['=views', '=lastStatus'], true],
  ['a deletion', 'd', [], true],
  ['an increment of what begins elsewhere', 'i', ['+views', '!views'], false],
  ['an increment of what was set before', 'u', ['+views', '<=views'], false],
  ['an upsert that sets another value than it inserts', 'i', ['=lastStatus', '!lastStatus'], false],
  ['a maximum', 'u', ['^views'], false],
])('%s is passed on, or not', (_, state, names, isCopied) => {
  expect(new ChangeReader(models.pageView).form(state, names).copy !== undefined).toBe(isCopied)
})

function rawTextsOf(texts: readonly string[]) {
  const bounds: number[] = []
  let bytes = Buffer.from('before')
  for (const text of texts) {
    const from = bytes.length
    bytes = Buffer.concat([bytes, Buffer.from(text)])
    bounds.push(from, bytes.length)
  }
  return { bytes, bounds }
}

/** The texts of the row. */
function rowOf({ places, constants }: Copy, texts: readonly string[]): string[] {
  const row: string[] = []
  for (const [n, place] of places.entries()) if (place !== undefined) row[place] = texts[n] as string
  for (const { place, text } of constants) row[place] = text
  return row
}
