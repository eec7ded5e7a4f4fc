/** The protocol as a model, in random interleavings, which a seed repeats. Leaving a rule out shows what it is for. */
import { describe, expect, test } from 'vitest'
import type { Rule } from './protocol/parts.js'
import { type Fault, type Findings, play } from './protocol/play.js'

const SEEDS = Number(process.env.SEEDS ?? 3000)
/** Enough to see what goes wrong without a rule. */
const WITHOUT_RULE = 500

function total(fault: Fault, seeds: number, leftOut?: Rule): Record<keyof Findings, number[]> {
  const found: Record<keyof Findings, number[]> = { wrongRow: [], wrongView: [], stuck: [] }
  for (let seed = 1; seed <= seeds; seed++) {
    const findings = play(seed, fault, leftOut)
    for (const what of Object.keys(found) as (keyof Findings)[]) if (findings[what]) found[what].push(seed)
  }
  return found
}

describe('the protocol', { timeout: 3_600_000 }, () => {
  test('leaves no wrong row, no wrong view and no shard that does not drain', () => {
    expect(total('none', SEEDS)).toEqual({ wrongRow: [], wrongView: [], stuck: [] })
  })

  test('goes on when Redis was emptied: what was written since arrives, once', () => {
    expect(total('reset', SEEDS)).toEqual({ wrongRow: [], wrongView: [], stuck: [] })
  })

  test('loses nothing that an older Redis knows of, when it is put back in time', () => {
    expect(total('rollback', SEEDS)).toEqual({ wrongRow: [], wrongView: [], stuck: [] })
  })
})

test.each<[Rule, Fault, keyof Findings]>([
  ['ledger', 'none', 'wrongRow'],
  ['void', 'none', 'wrongRow'],
  ['snapshot', 'none', 'wrongView'],
  ['adopt', 'reset', 'stuck'],
  ['adopt', 'rollback', 'stuck'],
])('without its rule "%s" (Redis: %s) it fails: %s', (rule, fault, what) => {
  expect(total(fault, WITHOUT_RULE, rule)[what].length).toBeGreaterThan(WITHOUT_RULE / 100)
})
