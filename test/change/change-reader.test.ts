/** What a pending change comes to. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { isCounter } from '../../src/change/change.js'
import { ChangeReader } from '../../src/change/change-reader.js'
import { fitsCopy } from '../../src/change/copy.js'
import { StatementBuilder } from '../../src/database/postgresql/statement.js'
import { NULL } from '../../src/model/codec.js'
import { plainFields } from '../../src/model/fields.js'
import type { Field, Model } from '../../src/model/model.js'

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

/** Models, and one whose numbers are narrower. */
const MODELS: readonly Model[] = [
  models.pageView,
  models.reading,
  models.document,
  modelOf({ small: true }),
  modelOf({ default: { kind: 'value', value: '5' } }),
]
const LIMITS = [2n ** 15n, 2n ** 31n, 2n ** 63n].flatMap((limit) => [limit - 1n, limit, -limit, -limit - 1n])
const integers = fc
  .oneof(fc.integer({ min: -5, max: 5 }), fc.constantFrom(...LIMITS), fc.bigInt({ min: -(2n ** 66n), max: 2n ** 66n }))
  .map(String)
const values = fc.oneof(
  integers,
  fc.constantFrom(NULL, '', 'null', 'é', 'a b', '{"a":["\\u00e9"]}', '["a","NULL"]', '2026-11-21T10:00:00.001Z', '2026-11-21'),
)
const states = fc.constantFrom('u', 'i', 'i', 'c', 'r', 'd')

/** Fields of a pending change, each with its text. */
function contentsOf(model: Model) {
  const names = plainFields(model).flatMap((field) => {
    const adds = isCounter(field) ? ['+', '+', '+', '<+'] : []
    return ['=', '=', '!', '<=', ...adds].map((prefix) => prefix + field.name)
  })
  const content = fc.tuple(fc.constantFrom(...names), integers, values)
  const pick = ([name, integer, value]: [string, string, string]) => [name, name.includes('+') ? integer : value] as const
  return fc.uniqueArray(content.map(pick), { selector: ([name]) => name, maxLength: 6 })
}

test.each(MODELS.map((model) => [model.name, model] as const))('%s: what is passed on comes to what reading it comes to', (_, model) => {
  const reader = new ChangeReader(model)
  const builder = new StatementBuilder(model)
  const key = model.key.join(':')
  let copied = 0
  const isSame = (state: string, content: (readonly [string, string])[]) => {
    const texts = content.map(([, text]) => text)
    const form = reader.form(
      state,
      content.map(([name]) => name),
    )
    const copy = reader.copyOf(form)
    const raw = rawTextsOf(texts)
    if (copy === undefined || !fitsCopy(copy, raw, 0)) return
    copied++
    const passedOn = builder.build([{ key, change: { copy, texts: raw, first: 0 } }])
    expect(passedOn).toEqual(builder.build([{ key, change: reader.read(form, texts) }]))
  }
  fc.assert(fc.property(states, contentsOf(model), isSame), { numRuns: 3000 })
  expect(copied).toBeGreaterThan(500)
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
  const reader = new ChangeReader(models.pageView)
  expect(reader.copyOf(reader.form(state, names)) !== undefined).toBe(isCopied)
})

test('an increment of a field that has become a decimal since is left for the database to judge', () => {
  const reader = new ChangeReader(modelOf({ type: 'Decimal', default: { kind: 'value', value: '1.5' } }))
  const { change } = reader.readContent(['~', 'i-x0', '+score', '2', '!score', '3'])
  expect(change).toMatchObject({ regular: false, values: ['2'] })
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
