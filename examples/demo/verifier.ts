import type { Counter, PageView, Player, PrismaClient, Reading } from '../../generated/client/client.js'
import { type Expectation, type ExpectedRow, MODEL_NAMES, type ModelName, rowKey } from './expectation.js'

/** The result of the comparison for one model. */
export interface Verdict {
  readonly model: ModelName
  /** Rows that the input wrote. */
  readonly expected: number
  /** Rows in the database. */
  readonly found: number
  /** Rows with a wrong value, missing rows, and rows that the input never wrote. */
  mismatches: number
  /** Rows whose writes include unknown outcomes, and that lie within the possible range. */
  uncertain: number
  readonly examples: string[]
}

interface Page {
  readonly key: string
  readonly row: object
}

const PAGE_SIZE = 2000
const MAX_EXAMPLES = 3

/** Compares every record in both directions: no row may be wrong or missing, and no row may be there that the input never wrote. */
export async function verify(prisma: PrismaClient, expectation: Expectation): Promise<Verdict[]> {
  const verdicts: Verdict[] = []
  for (const model of MODEL_NAMES) verdicts.push(await verifyModel(model, expectation.rows(model), pagesOf(prisma, model)))
  return verdicts
}

async function verifyModel(model: ModelName, expected: ReadonlyMap<string, ExpectedRow>, pages: AsyncIterable<Page[]>): Promise<Verdict> {
  const verdict: Verdict = { model, expected: expected.size, found: 0, mismatches: 0, uncertain: 0, examples: [] }
  const seen = new Set<string>()
  const report = (problem: string) => {
    verdict.mismatches++
    if (verdict.examples.length < MAX_EXAMPLES) verdict.examples.push(problem)
  }
  for await (const page of pages) {
    for (const { key, row } of page) {
      seen.add(key)
      const wanted = expected.get(key)
      const problem = wanted === undefined ? 'the input never wrote it' : difference(wanted, row)
      if (problem !== undefined) report(`${label(key)}: ${problem}`)
      else if (wanted?.doubtful) verdict.uncertain++
    }
  }
  for (const [key, { writes, doubtful }] of expected) {
    if (seen.has(key)) continue
    if (doubtful === writes) verdict.uncertain++
    else report(`${label(key)}: the row is missing`)
  }
  return { ...verdict, found: seen.size }
}

function difference({ sums, set, doubtful }: ExpectedRow, row: object): string | undefined {
  const values = new Map(Object.entries(row))
  for (const [field, { low, high }] of sums) {
    const value = Number(values.get(field))
    if (!(value >= low && value <= high)) return `${field}: expected ${low === high ? low : `${low} to ${high}`}, got ${value}`
  }
  if (doubtful > 0) return undefined
  for (const [field, wanted] of Object.entries(set ?? {})) {
    if (comparable(values.get(field)) !== comparable(wanted))
      return `${field}: expected ${comparable(wanted)}, got ${comparable(values.get(field))}`
  }
  return undefined
}

function comparable(value: unknown): unknown {
  return value instanceof Date ? value.toISOString() : value
}

function label(key: string): string {
  return key.replaceAll('\0', ' ').slice(0, 80)
}

function pagesOf(prisma: PrismaClient, model: ModelName): AsyncIterable<Page[]> {
  const take = PAGE_SIZE
  switch (model) {
    case 'pageView':
      return pages<PageView>(
        (after) => prisma.pageView.findMany({ take, orderBy: { path: 'asc' }, ...(after && { skip: 1, cursor: { path: after.path } }) }),
        ({ path }) => ({ path }),
      )
    case 'reading':
      return pages<Reading>(
        (after) =>
          prisma.reading.findMany({
            take,
            orderBy: [{ device: 'asc' }, { metric: 'asc' }],
            ...(after && { skip: 1, cursor: { device_metric: { device: after.device, metric: after.metric } } }),
          }),
        ({ device, metric }) => ({ device, metric }),
      )
    case 'player':
      return pages<Player>(
        (after) => prisma.player.findMany({ take, orderBy: { id: 'asc' }, ...(after && { skip: 1, cursor: { id: after.id } }) }),
        ({ id }) => ({ id }),
      )
    case 'counter':
      return pages<Counter>(
        (after) => prisma.counter.findMany({ take, orderBy: { name: 'asc' }, ...(after && { skip: 1, cursor: { name: after.name } }) }),
        ({ name }) => ({ name }),
      )
  }
}

async function* pages<Row extends object>(
  read: (after: Row | undefined) => Promise<Row[]>,
  keyOf: (row: Row) => object,
): AsyncGenerator<Page[]> {
  let last: Row | undefined
  do {
    const rows = await read(last)
    last = rows.at(-1)
    yield rows.map((row) => ({ key: rowKey(keyOf(row)), row }))
  } while (last !== undefined)
}
