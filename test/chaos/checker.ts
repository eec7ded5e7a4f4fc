/**
 * Compares every record with what was acknowledged. It knows of each operation: acknowledged, refused, or unknown (no answer came, which
 * leaves both outcomes open), and computes all that the row may be. A row that is none of that is
 *   lost         older than the last acknowledged state, or less than the acknowledged amounts;
 *   doubled      more than all that was called, or a state that nobody wrote;
 *   stale        the row went back on its way, whatever it is now (told by the audit trigger);
 *   resurrected  the row is there though it was deleted, now or at some time in between.
 */
import type { Step } from './audit.js'
import type { Called } from './history.js'
import { familyOf } from './operation.js'

/** What is compared of a row; `undefined` in its place: there is none. */
export interface RowState {
  /** Sum of the amounts; 0 for players. */
  readonly amount: bigint
  /** Number of the last operation that the row bears; 0: none did. */
  readonly version: number
  /** Fields that are always written together do not belong together. */
  readonly torn: boolean
}

export type Rows = ReadonlyMap<string, RowState>

/** Redis lost its memory: what was called before may be gone, as far as README.md says. */
export interface Amnesty {
  /** Ms since the epoch. */
  readonly until: number
  /** Redis is back in an older state, and may bring what it had claimed then once more. */
  readonly mayRepeat: boolean
}

export const HARMS = ['lost', 'doubled', 'stale', 'resurrected'] as const
export type Harm = (typeof HARMS)[number]

export interface Finding {
  /** `repeated` and `set back` are what README.md says of a Redis put back in time; they are no harm. */
  readonly harm: Harm | 'repeated' | 'set back'
  readonly record: string
  readonly expected: string
  readonly found: string
}

export interface Evidence {
  /** The rows at the beginning of the history. */
  readonly before: Rows
  readonly after: Rows
  readonly history: ReadonlyMap<string, readonly Called[]>
  /** What the audit trigger saw, in its order. */
  readonly steps: readonly Step[]
  readonly amnesty?: Amnesty | undefined
}

export function isHarm({ harm }: Finding): boolean {
  return (HARMS as readonly string[]).includes(harm)
}

export function check(evidence: Evidence): Finding[] {
  const findings: Finding[] = []
  for (const record of new Set([...evidence.history.keys(), ...evidence.before.keys(), ...evidence.after.keys()])) {
    if (familyOf(record) !== 'player') findings.push(...checkAmount(evidence, record))
    if (familyOf(record) !== 'counter') findings.push(...checkVersion(evidence, record))
    if (evidence.after.get(record)?.torn)
      findings.push({ harm: 'lost', record, expected: 'fields of one write', found: 'fields of several' })
  }
  return [...findings, ...checkSteps(evidence)]
}

function checkAmount({ before, after, history, amnesty }: Evidence, record: string): Finding[] {
  const base = before.get(record)?.amount ?? 0n
  const found = after.get(record)?.amount ?? 0n
  let least = base
  let most = base
  let repeatable = 0n
  for (const called of history.get(record) ?? []) {
    if (called.outcome === 'refused') continue
    const forgiven = isForgiven(called, amnesty)
    if (called.outcome === 'acknowledged' && !forgiven) least += BigInt(called.amount)
    if (forgiven && amnesty?.mayRepeat) repeatable += BigInt(called.amount)
    most += BigInt(called.amount)
  }
  const report = (harm: Finding['harm']) => [
    { harm, record, expected: least === most ? `${most}` : `${least} to ${most}`, found: `${found}` },
  ]
  if (found < least) return report('lost')
  if (found <= most) return []
  return report(found <= most + repeatable ? 'repeated' : 'doubled')
}

function isForgiven({ at }: Called, amnesty: Amnesty | undefined): boolean {
  return amnesty !== undefined && at <= amnesty.until
}

/** What a row may be: absent, or of one of these versions. */
type States = ReadonlySet<number | 'absent'>

function checkVersion({ before, after, history, amnesty }: Evidence, record: string): Finding[] {
  const row = before.get(record)
  let states: States = new Set([row === undefined ? 'absent' : row.version])
  for (const called of history.get(record) ?? []) {
    if (called.outcome === 'refused') continue
    const next = new Set([...states].map((state) => apply(called, state)))
    if (!isForgiven(called, amnesty)) states = called.outcome === 'acknowledged' ? next : new Set([...states, ...next])
    // What an older Redis brings again meets the row of later calls, which an update then finds there.
    else states = new Set([...states, ...next, ...(amnesty?.mayRepeat && called.kind === 'update' ? [called.id] : [])])
  }
  const found = after.get(record)?.version ?? 'absent'
  if (states.has(found)) return []
  return [{ harm: harmOf(found, states), record, expected: [...states].slice(-5).join(' or '), found: `${found}` }]
}

function apply({ id, kind }: Called, state: number | 'absent'): number | 'absent' {
  switch (kind) {
    case 'delete':
      return 'absent'
    case 'update':
      return state === 'absent' ? 'absent' : id
    case 'add':
      return state === 'absent' ? 0 : state
    default:
      return id
  }
}

function harmOf(found: number | 'absent', states: States): Harm {
  if (found === 'absent') return 'lost'
  const versions = [...states].filter((state) => state !== 'absent')
  if (versions.length === 0) return 'resurrected'
  return found < Math.max(...versions) ? 'lost' : 'doubled'
}

/** No step back, and no row that returns after its delete. */
function checkSteps({ before, steps, history, amnesty }: Evidence): Finding[] {
  const findings: Finding[] = []
  const reached = new Map<string, number>()
  for (const { record, event, version } of steps) {
    const calls = history.get(record) ?? []
    // What an older Redis brings again may be any call of before, and none from an earlier history has a time.
    const isRepeatable = (called: Called | undefined) =>
      amnesty?.mayRepeat === true && (called === undefined || isForgiven(called, amnesty))
    const position = reached.get(record) ?? before.get(record)?.version ?? 0
    if (event === 'delete') reached.set(record, deletedBy(calls, Math.max(position, version), isRepeatable))
    else if (version >= position) reached.set(record, version)
    else {
      const harm = isRepeatable(calls.find(({ id }) => id === version)) ? 'set back' : event === 'insert' ? 'resurrected' : 'stale'
      findings.push({ harm, record, expected: `${position} or later, once there`, found: `${event} of ${version}` })
    }
  }
  return findings
}

/** The first delete that can have ended this version. One that may have come again says nothing of which calls were before it. */
function deletedBy(calls: readonly Called[], version: number, isRepeatable: (called: Called) => boolean): number {
  const deletes = calls.filter(({ kind, outcome }) => kind === 'delete' && outcome !== 'refused')
  if (deletes.some(isRepeatable)) return version
  return deletes.find(({ id }) => id > version)?.id ?? version
}
