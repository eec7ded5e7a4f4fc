import { describe, expect, it } from 'vitest'
import { generate, LEDGER, model, problem, schemaOf, useGenerator } from './generate.js'

useGenerator()

describe('the configuration of the generator', () => {
  it('refuses models that do not exist, and the ledger among the models', async () => {
    const { output } = await generate(
      schemaOf(`${LEDGER}\nmodel Constructor {\n  id String @id\n}`, 'models = ["Constructor", "Nobody", "WriteBehindLedger"]'),
    )
    expect(problem(output, 'Constructor')).toBeUndefined()
    expect(problem(output, 'Nobody')).toContain('no such model')
    expect(problem(output, 'WriteBehindLedger')).toContain('is the ledger')
    expect(output).not.toContain('every model is cached')
  })

  it('leaves fields out, and refuses to leave out what an insert has to fill', async () => {
    const fields =
      'search Unsupported("tsvector")?\n  place Unsupported("point") @default(dbgenerated("point(1,1)"))\n  real Float? @db.Real\n  inet String @default("::1") @db.Inet\n  bit String @db.Bit(2)\n  made String @default(uuid())'
    const body = `${LEDGER}\nmodel A {\n  id String @id\n  name String @db.Citext\n  ${fields}\n}`
    const refused = await generate(schemaOf(body, 'omit = ["A.id", "A.bit", "A.made", "A.none", "B.none"]'))
    expect(problem(refused.output, 'A.id')).toContain('is part of the key, by which the library names a record')
    for (const name of ['A.bit', 'A.made']) expect(problem(refused.output, name)).toContain('the database has no default')
    for (const name of ['A.none', 'B.none']) expect(problem(refused.output, name)).toContain('no such field')
    expect(problem(refused.output, 'A.real')).toContain('leave it out by omit = ["A.real"]')
    const taken = await generate(schemaOf(body.replace('bit String', 'bit String?'), 'omit = ["A.real", "A.inet", "A.bit"]'))
    expect(model(taken, 'a').fields.map(({ name }) => name)).toEqual(['id', 'name', 'made'])
    expect(model(taken, 'a')).toMatchObject({ omitted: ['real', 'inet', 'bit'] })
  })

  it('refuses to leave out what Prisma fills in, optional or not', async () => {
    const fields =
      'at DateTime? @updatedAt\n  since DateTime @default(now()) @updatedAt\n  made String? @default(uuid())\n  other String? @default(cuid())'
    const body = `${LEDGER}\nmodel A {\n  id String @id\n  first DateTime @default(now())\n  ${fields}\n}`
    const { output } = await generate(schemaOf(body, 'omit = ["A.at", "A.since", "A.made", "A.other", "A.first"]'))
    for (const name of ['A.at', 'A.since', 'A.made', 'A.other']) expect(problem(output, name)).toContain('is filled in by Prisma')
    expect(problem(output, 'A.first')).toBeUndefined()
  })

  it('shows the ledger with the schema that every model needs where there are several', async () => {
    const datasource = 'provider = "postgresql"\n  schemas = ["books", "other"]'
    const { output } = await generate(schemaOf('model A {\n  id String @id\n  @@schema("books")\n}', '', datasource))
    expect(output).toMatch(/@@map\("write_behind_ledger"\)\s+@@schema\("books"\)/)
    const single = await generate(schemaOf('model A {\n  id String @id\n}'))
    expect(single.output).toContain('@@map("write_behind_ledger")')
    expect(single.output).not.toContain('@@schema')
  })

  it.each(['models.js', 'models.mjs', 'models.d.ts', 'models'])('refuses to write TypeScript into %s', async (file) => {
    const { output } = await generate(schemaOf(`${LEDGER}\nmodel A {\n  id String @id\n}`).replace('./models.ts', `./${file}`))
    expect(output).toContain(
      `expected the name of a TypeScript file (.ts, .mts or .cts), because the generator writes TypeScript; got "${file}"`,
    )
  })

  it('refuses another database, and a schema without a ledger', async () => {
    const { output } = await generate(schemaOf('model A {\n  id String @id\n}', '', 'provider = "sqlite"'))
    expect(problem(output, 'datasource')).toContain('sqlite')
    expect(problem(output, 'WriteBehindLedger')).toContain('no ledger model')
  })

  it('refuses references that Prisma looks after, and not the database', async () => {
    const { output } = await generate(
      schemaOf(`model A {\n  id String @id\n}\n${LEDGER}`, '', 'provider = "postgresql"\n  relationMode = "prisma"'),
    )
    expect(problem(output, 'datasource')).toContain('relationMode')
  })
})
