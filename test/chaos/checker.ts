/**
 * Compares every row with the acknowledged writes. The checker knows the outcome of each operation: acknowledged, refused, or unknown, when no
 * answer came and both outcomes are possible. It computes every state that the row may have. Any other state is a harm:
 *   lost         the row is older than the last acknowledged state, or has less than the acknowledged amounts;
 *   doubled      the row has more than all amounts that were called, or a state that nobody wrote;
 *   stale        the row went back to an older version at some time, as the audit triggers saw;
 *   resurrected  the row is there after its delete, or was there for a while.
 */
import type { Step } from './audit.js'
import type { Called } from './history.js'
import { familyOf } from './operation.js'

/** The part of a row that is compared. `undefined` in its place means that there is no row. */
export interface RowState {
  /** The sum of the amounts; 0 for players. */
  readonly amount: bigint
  /** The number of the operation that set the version last; 0 when none did. */
  readonly version: number
  /** True when fields that are always written together come from different writes. */
  readonly torn: boolean
}

export type Rows = ReadonlyMap<string, RowState>

/** Redis lost its data. Calls made before may be lost, as README.md says. */
export interface Amnesty {
  /** In ms since the epoch. */
  readonly until: number
  /** Redis returned to an older state, and may apply once more what it had claimed then. */
  readonly mayRepeat: boolean
}

export const HARMS = ['lost', 'doubled', 'stale', 'resurrected'] as const
export type Harm = (typeof HARMS)[number]

export interface Finding {
  /** `repeated` and `set back` are no harm: README.md says that they happen when Redis is put back in time. */
  readonly harm: Harm | 'repeated' | 'set back'
  readonly record: string
  readonly expected: string
  readonly found: string
}

export interface Evidence {
  /** The rows as they were before the first call of the history. */
  readonly before: Rows
  readonly after: Rows
  readonly history: ReadonlyMap<string, readonly Called[]>
  /** The steps that the audit triggers saw, in their order. */
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
  let min = base
  let max = base
  let repeatable = 0n
  for (const called of history.get(record) ?? []) {
    if (called.outcome === 'refused') continue
    const forgiven = isForgiven(called, amnesty)
    if (called.outcome === 'acknowledged' && !forgiven) min += BigInt(called.amount)
    if (forgiven && amnesty?.mayRepeat) repeatable += BigInt(called.amount)
    max += BigInt(called.amount)
  }
  const report = (harm: Finding['harm']) => [{ harm, record, expected: min === max ? `${max}` : `${min} to ${max}`, found: `${found}` }]
  if (found < min) return report('lost')
  if (found <= max) return []
  return report(found <= max + repeatable ? 'repeated' : 'doubled')
}

function isForgiven({ at }: Called, amnesty: Amnesty | undefined): boolean {
  return amnesty !== undefined && at <= amnesty.until
}

/** The states that a row may have: absent, or one of these versions. */
type States = ReadonlySet<number | 'absent'>

function checkVersion({ before, after, history, amnesty }: Evidence, record: string): Finding[] {
  const row = before.get(record)
  let states: States = new Set([row === undefined ? 'absent' : row.version])
  for (const called of history.get(record) ?? []) {
    if (called.outcome === 'refused') continue
    const next = new Set([...states].map((state) => apply(called, state)))
    if (!isForgiven(called, amnesty)) states = called.outcome === 'acknowledged' ? next : new Set([...states, ...next])
    // An older Redis may repeat an update after later calls have inserted the row, and the update then finds the row.
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

/** Checks that no row went back to an older version, and that none returned after its delete. */
function checkSteps({ before, steps, history, amnesty }: Evidence): Finding[] {
  const findings: Finding[] = []
  const reached = new Map<string, number>()
  for (const { record, event, version } of steps) {
    const calls = history.get(record) ?? []
    // An older Redis may repeat any earlier call. The calls of an earlier cycle are not in the history, so they count as repeatable.
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

/** Finds the first delete that can have ended this version. A delete that may be a repetition does not tell which calls came before it. */
function deletedBy(calls: readonly Called[], version: number, isRepeatable: (called: Called) => boolean): number {
  const deletes = calls.filter(({ kind, outcome }) => kind === 'delete' && outcome !== 'refused')
  if (deletes.some(isRepeatable)) return version
  return deletes.find(({ id }) => id > version)?.id ?? version
}
