/** The checker of `npm run chaos` finds what it is there to find; and a run of a few seconds. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { installAudit, readRows, type Step, takeSteps } from './chaos/audit.js'
import { type Amnesty, check, type Evidence, type RowState } from './chaos/checker.js'
import { History, type Outcome } from './chaos/history.js'
import { type OperationKind, playerId } from './chaos/operation.js'
import { createDatabase } from './fixture.js'

const PLAYER = playerId(0, 0)
const REDIS_LOST_ITS_MEMORY: Amnesty = { until: 1000, mayRepeat: true }

type Call = readonly [id: number, kind: OperationKind, record: string, amount: number, outcome: Outcome, at?: number]

/** What the checker says about these calls and their results. */
function harms(calls: readonly Call[], after: Readonly<Record<string, Partial<RowState>>>, more: Partial<Evidence> = {}): string[] {
  const history = new History()
  for (const [id, kind, record, amount, outcome, at = 0] of calls) {
    history.call(0, { id, kind, record, amount }, at)
    history.settle(0, id, outcome)
  }
  const rows = Object.entries(after).map(([record, row]) => [record, { amount: 0n, version: 0, torn: false, ...row }] as const)
  return check({ before: new Map(), after: new Map(rows), history: history.byRecord, steps: [], ...more }).map(({ harm }) => harm)
}

function step(event: Step['event'], version: number): Step {
  return { record: PLAYER, event, version }
}

describe('the checker', () => {
  const adds: readonly Call[] = [
    [1, 'add', 'counter-1', 5, 'acknowledged'],
    [2, 'add', 'counter-1', 3, 'unknown'],
    [3, 'add', 'counter-1', 100, 'refused'],
  ]

  test('takes a counter between what was acknowledged and what may have been stored', () => {
    expect(harms(adds, { 'counter-1': { amount: 5n } })).toEqual([])
    expect(harms(adds, { 'counter-1': { amount: 8n } })).toEqual([])
  })

  test('finds a lost increment, and a lost row', () => {
    expect(harms(adds, { 'counter-1': { amount: 4n } })).toEqual(['lost'])
    expect(harms(adds, {})).toEqual(['lost'])
  })

  test('finds a doubled increment, and a refused one that was stored', () => {
    expect(harms(adds, { 'counter-1': { amount: 10n } })).toEqual(['doubled'])
    expect(harms(adds, { 'counter-1': { amount: 105n } })).toEqual(['doubled'])
  })

  const life: readonly Call[] = [
    [1, 'upsert', PLAYER, 0, 'acknowledged'],
    [2, 'update', PLAYER, 0, 'acknowledged'],
    [3, 'update', PLAYER, 0, 'unknown'],
  ]

  test('takes the last acknowledged state, or that of a later call without an answer', () => {
    expect(harms(life, { [PLAYER]: { version: 2 } })).toEqual([])
    expect(harms(life, { [PLAYER]: { version: 3 } })).toEqual([])
  })

  test('finds an older state, a missing row, fields of two writes, and a state that nobody wrote', () => {
    expect(harms(life, { [PLAYER]: { version: 1 } })).toEqual(['lost'])
    expect(harms(life, {})).toEqual(['lost'])
    expect(harms(life, { [PLAYER]: { version: 2, torn: true } })).toEqual(['lost'])
    expect(harms(life, { [PLAYER]: { version: 7 } })).toEqual(['doubled'])
  })

  test('finds a row that is there after its delete, and one that only was', () => {
    const deleted: readonly Call[] = [...life, [4, 'delete', PLAYER, 0, 'acknowledged']]
    expect(harms(deleted, {})).toEqual([])
    expect(harms(deleted, { [PLAYER]: { version: 2 } })).toEqual(['resurrected'])
    const steps = [step('insert', 1), step('delete', 2), step('insert', 3), step('delete', 3)]
    expect(harms(deleted, {}, { steps })).toEqual(['resurrected'])
  })

  test('finds a row that went back in time, even if it is right in the end', () => {
    expect(harms(life, { [PLAYER]: { version: 2 } }, { steps: [step('update', 2), step('update', 1)] })).toEqual(['stale'])
  })

  test('forgives a Redis that lost its memory what was called before, and nothing that was called after', () => {
    const amnesty = REDIS_LOST_ITS_MEMORY
    const before: Call = [1, 'add', 'counter-1', 5, 'acknowledged', 900]
    const after: Call = [2, 'add', 'counter-1', 3, 'acknowledged', 1100]
    expect(harms([before, after], { 'counter-1': { amount: 3n } }, { amnesty })).toEqual([])
    expect(harms([before, after], { 'counter-1': { amount: 2n } }, { amnesty })).toEqual(['lost'])
    expect(harms([before, after], { 'counter-1': { amount: 13n } }, { amnesty })).toEqual(['repeated'])
    expect(harms([before, after], { 'counter-1': { amount: 14n } }, { amnesty })).toEqual(['doubled'])
  })

  test('knows that an older Redis may bring an old update or delete again, and that a later call still counts', () => {
    const amnesty = REDIS_LOST_ITS_MEMORY
    const before: readonly Call[] = [
      [1, 'update', PLAYER, 0, 'acknowledged', 900],
      [2, 'upsert', PLAYER, 0, 'acknowledged', 900],
      [3, 'delete', PLAYER, 0, 'acknowledged', 900],
    ]
    const after: readonly Call[] = [...before, [4, 'upsert', PLAYER, 0, 'acknowledged', 1100]]
    expect(harms(before, { [PLAYER]: { version: 1 } }, { amnesty })).toEqual([])
    expect(harms(before, { [PLAYER]: { version: 1 } })).toEqual(['resurrected'])
    expect(harms(after, { [PLAYER]: { version: 1 } }, { amnesty })).toEqual(['lost'])
    const steps = [step('insert', 2), step('delete', 2), step('insert', 1), step('delete', 1), step('insert', 4)]
    expect(harms(after, { [PLAYER]: { version: 4 } }, { amnesty, steps })).toEqual(['set back'])
  })
})

test('the audit trigger sees steps back and inserts after deletes', async () => {
  const database = await createDatabase()
  try {
    await installAudit(database.query)
    const player = (version: number) => `('${PLAYER}', 'v${version}', ${version})`
    await database.query(`insert into players values ${player(5)}`)
    await database.query(`update players set score = 4, display_name = 'v4'`)
    await database.query('delete from players')
    await database.query(`insert into players values ${player(3)}`)
    await database.query(`insert into page_views (path, last_status, updated_at) values ('/0/0', 2, now())`)
    await database.query(`update page_views set last_status = 1`)
    const steps = await takeSteps(database.query)
    expect(steps.map(({ event, version }) => `${event} ${version}`)).toEqual([
      'insert 5',
      'update 5',
      'update 4',
      'delete 4',
      'insert 3',
      'update 2',
      'update 1',
    ])
    const after = await readRows(database.query)
    const calls = check({ before: new Map(), after, history: new Map(), steps }).map(({ harm }) => harm)
    expect(calls.filter((harm) => harm === 'stale')).toHaveLength(2)
    expect(calls).toContain('resurrected')
  } finally {
    await database.drop()
  }
})

test('a few seconds of chaos lose nothing', async () => {
  const args = ['--import', 'tsx', 'test/chaos/main.ts', '--seconds', '1', '--rage', '5', '--seed', '9', '--json']
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const [output, log, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  const verdict = JSON.parse(output.trim().split('\n').at(-1) ?? '')
  expect(verdict, log).toMatchObject({ lost: 0, doubled: 0, stale: 0, resurrected: 0, stuck: 0, seed: 9 })
  expect(verdict.acknowledged).toBeGreaterThan(500)
  expect(code).toBe(0)
})
