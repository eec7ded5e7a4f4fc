/** An editor shows the names of types, not all that they are made of. It shows what the compiler writes into declarations. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '..')
let directory: string
let declarations: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'write-behind-hover-'))
  const project = join(ROOT, `tsconfig.hover-${process.pid}.json`)
  const compilerOptions = { noEmit: false, declaration: true, emitDeclarationOnly: true, rootDir: '.', outDir: directory }
  await writeFile(project, JSON.stringify({ extends: './tsconfig.json', compilerOptions, include: ['test/hover/calls.ts'] }))
  try {
    await new Promise<void>((resolve) => {
      execFile(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', project], { cwd: ROOT }, () => resolve())
    })
  } finally {
    await rm(project)
  }
  declarations = await readFile(join(directory, 'test/hover/calls.d.ts'), 'utf8')
})

afterAll(async () => {
  await rm(directory, { recursive: true })
})

/** The type of a constant, without the files that names come from. */
function typeOf(name: string): string | undefined {
  const plain = declarations.replaceAll(/import\("[^"]*"\)\./g, '').replaceAll(/\s+/g, ' ')
  return new RegExp(`const ${name}: (.*?);? (?:export|$)`).exec(plain)?.[1]
}

test('a row has the name of its model', () => {
  expect(typeOf('found')).toBe('PageViewRow | null')
  expect(typeOf('many')).toBe('(PageViewRow | null)[]')
})

test('a selection is the fields that it names', () => {
  expect(typeOf('selected')).toBe('{ name: string; score: number; } | null')
})

test('the calls of a model are those of its name', () => {
  expect(typeOf('calls')).toBe('ModelCache<PageViewModel>')
})
