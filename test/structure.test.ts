import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { describe, expect, test } from 'vitest'

/**
 * Which room of src/ may import from which, and how long a file of code may be. `npm run check` (biome.json) says the rest: no import cycle,
 * types included, no function of more than 40 lines, no `any`.
 */

const ROOT = join(import.meta.dirname, '..')
/** The folders with code. */
const FOLDERS = ['src', 'test', 'bench', 'dashboard', 'examples']
const MAX_LINES = 280

/** The files that every room may import from. */
const FOUNDATION = ['redaction', 'errors', 'events', 'options', 'service']

/** Rooms from the bottom up, each with the rooms that it may import from. docs/architecture.md shows the same. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  foundation: [],
  telemetry: [],
  model: [],
  generator: ['model'],
  change: ['model'],
  redis: ['model', 'change'],
  database: ['model', 'change'],
  read: ['model', 'change', 'redis', 'database'],
  write: ['telemetry', 'model', 'change', 'redis', 'database', 'read'],
  flush: ['telemetry', 'model', 'change', 'redis', 'database', 'read', 'write'],
  start: ['telemetry', 'model', 'change', 'redis', 'database', 'read', 'write', 'flush'],
  extension: ['model', 'change', 'redis', 'database', 'read', 'write', 'flush'],
  /** The other files beside the rooms put them together. No room imports from them. */
  composition: ['telemetry', 'model', 'change', 'redis', 'database', 'read', 'write', 'flush', 'start', 'extension'],
}

/** The files that may use BullMQ itself, and not only its types. */
const BULLMQ = ['flush/consumer.ts', 'flush/scheduler.ts', 'flush/worker.ts']

interface Import {
  readonly from: string
  /** A file of src/, or a package. */
  readonly to: string
  readonly isType: boolean
}

const MODULES = filesIn('src').filter((file) => file.endsWith('.ts'))
const IMPORTS = MODULES.flatMap(importsOf)

describe('the rooms', () => {
  test('are those of the table', () => {
    expect(new Set(MODULES.map(roomOf))).toEqual(new Set(Object.keys(ROOMS)))
  })

  test('import from no room above them', () => {
    const wrong = IMPORTS.filter(({ to }) => to.endsWith('.ts')).filter(({ from, to }) => !mayImport(roomOf(from), roomOf(to)))
    expect(wrong.map(({ from, to }) => `${from} imports ${to}`)).toEqual([])
  })

  test('use BullMQ only where jobs are made and run', () => {
    const users = IMPORTS.filter(({ to, isType }) => to === 'bullmq' && !isType).map(({ from }) => from)
    expect(users).toEqual(BULLMQ)
  })
})

test.each(FOLDERS)('no file of %s/ is too long to be read at once', (folder) => {
  const files = filesIn(folder).filter((file) => /\.(ts|mjs|lua)$/.test(file))
  const lengths = files.map((file) => ({ file, lines: readFileSync(join(ROOT, folder, file), 'utf8').split('\n').length - 1 }))
  expect(lengths.filter(({ lines }) => lines > MAX_LINES)).toEqual([])
})

test('no file of src/ makes an exception from the rules', () => {
  expect(MODULES.filter((file) => /biome-ignore|@ts-(ignore|expect-error|nocheck)/.test(textOf(file)))).toEqual([])
})

function mayImport(from: string, to: string): boolean {
  return from === to || to === 'foundation' || ROOMS[from]?.includes(to) === true
}

function roomOf(file: string): string {
  const [first = '', ...rest] = file.split('/')
  if (rest.length > 0) return first
  return FOUNDATION.includes(first.replace(/\.ts$/, '')) ? 'foundation' : 'composition'
}

function importsOf(from: string): Import[] {
  const found = textOf(from).matchAll(/^(?:import|export)( type)?\s[^'"]*?from '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/gm)
  return [...found].map(([, type, ...paths]) => {
    const path = paths.find((each) => each !== undefined) as string
    const to = path.startsWith('.')
      ? relative('.', join(dirname(from), path))
          .split(sep)
          .join('/')
          .replace(/\.js$/, '.ts')
      : path
    return { from, to, isType: type !== undefined }
  })
}

/** The paths of all files in a folder, with slashes, relative to that folder. */
function filesIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((file) => file.split(sep).join('/'))
}

function textOf(file: string): string {
  return readFileSync(join(ROOT, 'src', file), 'utf8')
}
