/** Runs the generator as Prisma does. Importing it registers hooks in the test file. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll } from 'vitest'
import type { Field, Model, Models } from '../../src/model/model.js'

export const ROOT = join(import.meta.dirname, '../..')
export const LEDGER = 'model WriteBehindLedger {\n  shard String @id\n  batch String\n  recent String[] @default([])\n}'
export const ENUMERATION = 'enum Color {\n  RED @map("red value")\n  BLUE\n}'

const directories: string[] = []

afterAll(async () => {
  for (const directory of directories) await rm(directory, { recursive: true })
})

export interface Generated {
  readonly output: string
  readonly source: string
  readonly models: Models
}

/** Runs `prisma generate` on a schema; `source` is empty if it failed. */
export async function generate(schema: string): Promise<Generated> {
  const directory = await mkdtemp(join(tmpdir(), 'write-behind-generator-'))
  directories.push(directory)
  const [path, file] = [join(directory, 'schema.prisma'), join(directory, 'models.ts')]
  await writeFile(path, schema)
  const environment = { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, CHECKPOINT_DISABLE: '1', NO_COLOR: '1' }
  const cli = join(ROOT, 'node_modules/prisma/build/index.js')
  const output = await new Promise<string>((resolve) => {
    execFile(process.execPath, [cli, 'generate', '--no-hints', '--schema', path], { cwd: ROOT, env: environment }, (_, stdout, stderr) =>
      resolve(stdout + stderr),
    )
  })
  const source = await readFile(file, 'utf8').catch(() => '')
  const { models = {} } = source === '' ? {} : ((await import(pathToFileURL(file).href)) as { models?: Models })
  return { output, source, models }
}

export function schemaOf(body: string, config = '', datasource = 'provider = "postgresql"'): string {
  const provider = 'node --import tsx src/generator/main.ts'
  return `generator writeBehind {\n  provider = "${provider}"\n  output = "./models.ts"\n  ${config}\n}\ndatasource db {\n  ${datasource}\n}\n${body}\n`
}

/** The line of the error that is about this model or field. */
export function problem(output: string, subject: string): string | undefined {
  return output.split('\n').find((line) => line.startsWith(`- ${subject}: `))
}

export function model({ models, output }: Generated, delegate: string): Model {
  const found = models[delegate]
  if (!found) throw new Error(`no model ${delegate} was generated: ${output}`)
  return found
}

export function field(generated: Generated, delegate: string, name: string): Field | undefined {
  return model(generated, delegate).fields.find((candidate) => candidate.name === name)
}
