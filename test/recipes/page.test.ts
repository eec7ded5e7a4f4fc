/** docs/recipes.md shows the files of examples/recipes/ as they are. Only the paths of imports differ, because they are those of an application. */
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const RECIPES = new URL('../../examples/recipes/', import.meta.url)

const PAGE = readFileSync(new URL('../../docs/recipes.md', import.meta.url), 'utf8')
const MIGRATION = readFileSync(new URL('migrations/20261201000000_init/migration.sql', RECIPES), 'utf8')
/** A model, with the comment above it. */
const MODEL = /^(?:\/\/\/.*\n)*model (\w+) \{\n(?:.*\n)*?\}\n/gm

test('the code on the page is that of the files', () => {
  const files = readdirSync(RECIPES).filter((file) => file.endsWith('.ts'))
  expect(files.length).toBeGreaterThan(0)
  expect(blocksOf('ts').sort()).toEqual(files.map(codeOf).sort())
})

test('the models on the page are those of the schema', () => {
  const models = [...readFileSync(new URL('schema.prisma', RECIPES), 'utf8').matchAll(MODEL)]
  const shown = models.filter(([, name]) => name !== 'WriteBehindLedger').map(([text]) => text)
  expect(blocksOf('prisma').sort()).toEqual(shown.sort())
})

test('the SQL on the page is in the migration', () => {
  expect(blocksOf('sql').filter((statement) => !MIGRATION.includes(statement))).toEqual([])
})

function codeOf(file: string): string {
  const text = readFileSync(new URL(file, RECIPES), 'utf8')
  return text.replaceAll('../../src/index.js', 'write-behind').replaceAll('../../generated/recipes/', './generated/')
}

function blocksOf(language: string): string[] {
  return [...PAGE.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'gm'))].map(([, text = '']) => text)
}
