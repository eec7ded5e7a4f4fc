import { availableParallelism } from 'node:os'
import { FIGURE_NAMES, type Figure, type FigureName, type Figures, type Goal, planOf, reaches } from './figures.js'
import { MAX_STOLEN } from './rounds.js'
import type { Stage } from './stage.js'

/** The machine and the settings that the figures were measured with. */
export interface Circumstances {
  readonly rounds: number
  readonly quick: boolean
  readonly scale: number
  readonly cores: number
  readonly node: string
  readonly redis: string
  readonly postgres: string
  readonly appendfsync: string
  readonly growthRecords: number
  /** Share of the cores' time that the machine's host took away, from 0 to 1. */
  stolen: number
  seconds: number
}

export async function versions({
  redis,
  pool,
}: Stage): Promise<Pick<Circumstances, 'cores' | 'node' | 'redis' | 'postgres' | 'appendfsync'>> {
  const info = await redis.info('server')
  const [, appendfsync = ''] = (await redis.config('GET', 'appendfsync')) as string[]
  const { rows } = await pool.query<{ server_version: string }>('show server_version')
  return {
    cores: availableParallelism(),
    node: process.versions.node,
    redis: info.match(/redis_version:(\S+)/)?.[1] ?? '',
    postgres: rows[0]?.server_version ?? '',
    appendfsync,
  }
}

const HEADER = ['measure', 'what', 'ours', 'peer', 'ratio', 'goal', 'reached', 'other peers']

export function table(figures: Figures, circumstances: Circumstances): string {
  const rows = measured(figures).map(([name, figure]) => row(name, figure))
  const widths = HEADER.map((title, column) => Math.max(...[HEADER, ...rows].map((cells) => (cells[column] ?? title).length)))
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  const { rounds, cores, node, redis, postgres, appendfsync, stolen, seconds, scale } = circumstances
  const notes = [
    `${rounds} alternating rounds${exceptions(figures, rounds)}, medians; ${cores} cores, Node ${node}, Redis ${redis} with appendfsync ${appendfsync}, PostgreSQL ${postgres}; ${seconds.toFixed(0)} s`,
    `The host of this machine took away ${(100 * stolen).toFixed(1)} % of its cores' time. A round that lost more than ${100 * MAX_STOLEN} % counts only if few other rounds are left.`,
    'The first peer with ioredis has its defaults. The last column has the ratio to ioredis with auto-pipelining.',
    ...(scale === 1 ? [] : [`All counts are multiplied by ${scale}: these figures say nothing.`]),
  ]
  return [line(HEADER), line(widths.map((width) => '─'.repeat(width))), ...rows.map(line), '', ...notes].join('\n')
}

export function json(figures: Figures, circumstances: Circumstances): string {
  const entries = measured(figures)
  const values = Object.fromEntries(entries.map(([name, { value }]) => [name, value]))
  const raw = Object.fromEntries(entries.map(([name, figure]) => [name, { ...figure.raw, peer: figure.peer?.name }]))
  const ratios = Object.fromEntries(entries.map(([name, figure]) => [name, figure.ratios]))
  const roundsOf = Object.fromEntries(entries.map(([name, figure]) => [name, figure.rounds]))
  const goals = Object.fromEntries(entries.flatMap(([name, { value }]) => goalEntry(name, value)))
  return JSON.stringify({ ...values, raw, ratios, goals, roundsOf, ...circumstances })
}

function goalEntry(name: FigureName, value: number): [string, { goal: number; stretch: number | undefined; reached: boolean }][] {
  const { goal } = planOf(name)
  return goal === undefined ? [] : [[name, { goal: goal.value, stretch: goal.stretch, reached: reaches(value, goal) }]]
}

/** Names the figures that had fewer rounds because a round takes long, or more rounds because a round is short. */
function exceptions(figures: Figures, rounds: number): string {
  const others = measured(figures).filter(([, figure]) => figure.rounds !== rounds)
  if (others.length === 0) return ''
  return ` (${others.map(([name, figure]) => `${name} ${figure.rounds}`).join(', ')})`
}

function measured(figures: Figures): [FigureName, Figure][] {
  return FIGURE_NAMES.flatMap((name) => {
    const figure = figures[name]
    return figure === undefined ? [] : [[name, figure] as [FigureName, Figure]]
  })
}

function row(name: FigureName, { value, ours, peer, ratios }: Figure): string[] {
  const { title, unit, isRatio, goal } = planOf(name)
  return [
    name,
    title,
    `${rounded(ours)} ${unit}`,
    peer === undefined ? '' : `${rounded(peer.value)} ${peer.name}`,
    isRatio ? value.toFixed(2) : '',
    goal === undefined ? '' : words(goal),
    goal === undefined ? '' : reached(value, goal),
    otherPeers(ratios, peer?.name),
  ]
}

function otherPeers(ratios: Figure['ratios'], peer: string | undefined): string {
  const others = Object.entries(ratios).filter(([name]) => name !== peer)
  return others.map(([name, ratio]) => `${ratio.toFixed(2)} to ${name}`).join(', ')
}

function words({ bound, value, stretch }: Goal): string {
  return `${bound === 'at least' ? '≥' : '≤'} ${value}${stretch === undefined ? '' : ` (${stretch})`}`
}

function reached(value: number, goal: Goal): string {
  if (!reaches(value, goal)) return 'no'
  return goal.stretch !== undefined && reaches(value, { bound: goal.bound, value: goal.stretch }) ? 'yes, stretch' : 'yes'
}

function rounded(value: number): string {
  return Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(value < 10 ? 2 : 1)
}
