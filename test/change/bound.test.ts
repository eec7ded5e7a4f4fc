/** Increments, maxima and minima of one value compose to one function of it: what one after the other would do. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Adjustment, adjust, compose, isLess, larger, smaller } from '../../src/change/bound.js'
import { NULL } from '../../src/model/codec.js'

const none: Adjustment = { amount: undefined, lower: undefined, upper: undefined, upperFirst: false }
const integer = fc.oneof(fc.integer({ min: -20, max: 20 }), fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n })).map(String)
const step = fc.oneof(
  integer.map((amount) => ({ ...none, amount })),
  integer.map((lower) => ({ ...none, lower })),
  integer.map((upper) => ({ ...none, upper })),
)

describe('what is composed', () => {
  test('does what its parts do one after the other, a null included, however they are grouped', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 8 }), fc.nat(8), fc.oneof(integer, fc.constant(NULL)), (steps, cut, value) => {
        const oneByOne = steps.reduce((each, by) => adjust(each, by), value)
        const grouped = compose(steps.slice(0, cut).reduce(compose, none), steps.slice(cut).reduce(compose, none))
        expect(adjust(value, grouped)).toBe(oneByOne)
        expect(adjust(value, steps.reduce(compose, none))).toBe(oneByOne)
      }),
      { numRuns: 5000 },
    )
  })
})

describe('stored texts', () => {
  const decimal = fc.tuple(fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }), fc.nat(6)).map(([units, scale]) => {
    const digits = String(units < 0n ? -units : units).padStart(scale + 1, '0')
    const whole = digits.slice(0, digits.length - scale)
    const fraction = digits.slice(digits.length - scale).replace(/0+$/, '')
    const text = fraction === '' ? whole : `${whole}.${fraction}`
    return { text: units < 0n && text !== '0' ? `-${text}` : text, scaled: units * 10n ** BigInt(6 - scale) }
  })

  test('compare as their decimals do', () => {
    fc.assert(
      fc.property(decimal, decimal, (a, b) => isLess(a.text, b.text) === a.scaled < b.scaled),
      { numRuns: 5000 },
    )
  })

  test('compare as their doubles do', () => {
    const double = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0)
    fc.assert(
      fc.property(double, double, (a, b) => isLess(String(a), String(b)) === a < b),
      { numRuns: 5000 },
    )
  })

  test('compare as their times do', () => {
    const time = fc.date({ min: new Date('0001-01-01T00:00:00Z'), max: new Date('9999-12-31T00:00:00Z'), noInvalidDate: true })
    fc.assert(
      fc.property(time, time, (a, b) => isLess(a.toISOString(), b.toISOString()) === a < b),
      { numRuns: 2000 },
    )
  })

  test('that are sums outside 64 bits outlast every bound, for the database to refuse', () => {
    expect(larger('9223372036854775807+1', '5')).toBe('9223372036854775807+1')
    expect(smaller('5', '-9223372036854775808+-1')).toBe('-9223372036854775808+-1')
    expect(larger('1e+21', '5')).toBe('1e+21')
  })
})
