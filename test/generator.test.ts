import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Field, Model, Models } from '../src/model/model.js'

const ROOT = join(import.meta.dirname, '..')
const LEDGER = 'model WriteBehindLedger {\n  shard String @id\n  batch String\n  recent String[] @default([])\n}'
const ENUMERATION = 'enum Color {\n  RED @map("red value")\n  BLUE\n}'

const directories: string[] = []

afterAll(async () => {
  for (const directory of directories) await rm(directory, { recursive: true })
})

interface Generated {
  readonly output: string
  readonly source: string
  readonly models: Models
}

/** Runs `prisma generate` on a schema; `source` is empty if it failed. */
async function generate(schema: string): Promise<Generated> {
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

function schemaOf(body: string, config = '', datasource = 'provider = "postgresql"'): string {
  const provider = 'node --import tsx src/generator/main.ts'
  return `generator writeBehind {\n  provider = "${provider}"\n  output = "./models.ts"\n  ${config}\n}\ndatasource db {\n  ${datasource}\n}\n${body}\n`
}

/** The line of the error that is about this model or field. */
function problem(output: string, subject: string): string | undefined {
  return output.split('\n').find((line) => line.startsWith(`- ${subject}: `))
}

function model({ models, output }: Generated, delegate: string): Model {
  const found = models[delegate]
  if (!found) throw new Error(`no model ${delegate} was generated: ${output}`)
  return found
}

function field(generated: Generated, delegate: string, name: string): Field | undefined {
  return model(generated, delegate).fields.find((candidate) => candidate.name === name)
}

describe('the schema of this project', () => {
  let project: Generated

  beforeAll(async () => {
    const schema = await readFile(join(ROOT, 'prisma/schema.prisma'), 'utf8')
    project = await generate(schema.replace(/^generator client \{[^}]*\}/m, '').replace('../generated/write-behind.ts', './models.ts'))
  })

  it('gives every model but the ledger, under the name of its delegate', () => {
    expect(Object.keys(project.models)).toEqual(['counter', 'pageView', 'reading', 'player', 'document'])
  })

  it('gives mapped tables and columns their database names', () => {
    expect(model(project, 'pageView')).toMatchObject({ name: 'PageView', table: 'page_views', key: ['path'] })
    expect(field(project, 'pageView', 'lastStatus')).toEqual({
      name: 'lastStatus',
      column: 'last_status',
      type: 'Int',
      sqlType: 'integer',
      nullable: true,
      list: false,
    })
  })

  it('gives a compound key its parts and its name in where', () => {
    expect(model(project, 'reading')).toMatchObject({ key: ['device', 'metric'], compoundKey: 'device_metric' })
    expect(model(project, 'counter')).not.toHaveProperty('compoundKey')
  })

  it('gives types their limits and casts', () => {
    expect(field(project, 'player', 'id')).toMatchObject({ column: 'player_id', sqlType: 'uuid', uuid: true })
    expect(field(project, 'player', 'name')).toMatchObject({ sqlType: 'text', maxLength: 40 })
    expect(field(project, 'document', 'price')).toMatchObject({
      sqlType: 'numeric',
      precision: 12,
      scale: 2,
      default: { kind: 'value', value: '0' },
    })
    expect(field(project, 'document', 'tags')).toEqual({
      name: 'tags',
      column: 'tags',
      type: 'String',
      sqlType: 'text',
      nullable: false,
      list: true,
    })
    expect(field(project, 'document', 'state')).toMatchObject({
      type: 'Enum',
      sqlType: 'DocumentState',
      enum: { DRAFT: 'DRAFT', PUBLISHED: 'published', ARCHIVED: 'ARCHIVED' },
    })
  })

  it('marks what the library fills in', () => {
    expect(field(project, 'pageView', 'updatedAt')).toMatchObject({ updatedAt: true })
    expect(field(project, 'document', 'createdAt')).toMatchObject({ default: { kind: 'now' } })
  })

  it('gives every model the ledger', () => {
    const ledger = { table: 'write_behind_ledger', shard: 'shard', batch: 'batch', recent: 'recent' }
    for (const { ledger: given } of Object.values(project.models)) expect(given).toEqual(ledger)
  })

  it('imports the type from the configured library', () => {
    expect(project.source).toContain("import type { Models } from '../src/index.js'")
    expect(project.source).toMatch(/^\/\/ Generated by write-behind/)
  })
})

describe('a schema with everything that can be written behind', () => {
  let everything: Generated

  beforeAll(async () => {
    const body = `
model Thing {
  id       String   @id @default(cuid())
  uuid4    String   @default(uuid()) @db.Uuid
  uuid7    String   @default(uuid(7))
  fixed    String   @default("A0EEBC999C0B4EF8BB6D6BB9BD380A11") @db.Uuid
  nano     String   @default(nanoid())
  sorted   String   @default(ulid())
  serial   Int      @default(autoincrement())
  made     String   @default(dbgenerated("now()::text"))
  text     String   @default("it's \\"{\\" // no comment }") // a "comment {
  big      BigInt   @default(9223372036854775807)
  small    Int      @default(-7) @db.SmallInt
  float    Float    @default(0.00000001)
  decimal  Decimal  @default(12345678901234567890.123456789)
  decimals Decimal[] @default([0.10, -2])
  wide     Decimal  @db.Decimal
  moment   DateTime @default("2020-01-01T00:00:00+02:00") @db.Timestamptz(6)
  day      DateTime @default("2020-02-03T00:00:00Z") @db.Date
  json     Json     @default("{\\"a\\": [1, null]}")
  nothing  Json     @default("null") @db.Json
  bytes    Bytes    @default("SGVsbG8=")
  chunks   Bytes[]  @default(["SGVsbG8="])
  flags    Boolean[] @default([true, false])
  color    Color    @default(RED)
  colors   Color[]  @default([RED, BLUE])
  words    String[] @default(["a\\"b", "c"])
  hidden   String?  @ignore
  filled   Int      @default(1) @ignore
  parentId String?
  parent   Parent?  @relation(fields: [parentId], references: [a])
  touched  DateTime @default(now()) @updatedAt
  @@map("odd \\"name\\"")
  @@schema("shop")
}
model Parent {
  a      String @unique @map("a column")
  b      Int
  things Thing[]
  @@id([b, a], name: "pair")
  @@schema("shop")
}
model Sole {
  code String
  @@id([code])
  @@schema("shop")
}
model Unwanted {
  id Int @id @default(autoincrement())
  @@schema("shop")
}
model Book {
  shard  String   @id @map("s") @db.Text
  batch  String   @map("b")
  recent String[] @map("r")
  @@map("ledger")
  @@schema("books")
}
${ENUMERATION.replace(/\}$/, '  @@map("colors")\n  @@schema("books")\n}')}`
    const config = 'models = ["Thing", "Parent", "Sole"]\n  ledger = "Book"'
    everything = await generate(schemaOf(body, config, 'provider = "postgresql"\n  schemas = ["shop", "books"]'))
  })

  it('imports the type from the package where nothing else is configured', () => {
    expect(everything.source).toContain("import type { Models } from 'write-behind'")
  })

  it('takes the models that are named, and the ledger that is named', () => {
    expect(Object.keys(everything.models)).toEqual(['thing', 'parent', 'sole'])
    expect(model(everything, 'thing').ledger).toEqual({ schema: 'books', table: 'ledger', shard: 's', batch: 'b', recent: 'r' })
  })

  it('quotes and qualifies tables and enums', () => {
    expect(model(everything, 'thing')).toMatchObject({ schema: 'shop', table: 'odd "name"' })
    expect(field(everything, 'thing', 'color')).toMatchObject({ sqlType: 'colors', sqlSchema: 'books' })
  })

  it('takes a custom name of a compound key', () => {
    expect(model(everything, 'parent')).toMatchObject({ key: ['b', 'a'], compoundKey: 'pair' })
  })

  it('takes a key in @@id that is of one field by its name alone, as Prisma does', () => {
    expect(model(everything, 'sole')).toMatchObject({ key: ['code'] })
    expect(model(everything, 'sole')).not.toHaveProperty('compoundKey')
  })

  it('gives the relations of the whole schema', () => {
    const relations = {
      Thing: { parent: { to: 'Parent', fields: ['parentId'], references: ['a'] } },
      Parent: { things: { to: 'Thing' } },
    }
    for (const name of ['thing', 'parent']) expect(model(everything, name).relations).toEqual(relations)
  })

  it('leaves relations and hidden fields out of the fields', () => {
    const names = model(everything, 'thing').fields.map(({ name }) => name)
    expect(names).toContain('parentId')
    for (const name of ['parent', 'hidden', 'filled']) expect(names).not.toContain(name)
  })

  it.each([
    ['fixed', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
    ['text', 'it\'s "{" // no comment }'],
    ['big', '9223372036854775807'],
    ['small', '-7'],
    ['float', '1e-8'],
    ['decimal', '12345678901234567890.123456789'],
    ['decimals', '["0.1","-2"]'],
    ['moment', '2019-12-31T22:00:00.000Z'],
    ['day', '2020-02-03'],
    ['json', '{"a":[1,null]}'],
    ['nothing', 'null'],
    ['bytes', '\\x48656c6c6f'],
    ['chunks', '["\\\\x48656c6c6f"]'],
    ['flags', '["true","false"]'],
    ['color', 'red value'],
    ['colors', '["red value","BLUE"]'],
    ['words', '["a\\"b","c"]'],
  ])('gives the constant default of %s in its stored text', (name, value) => {
    expect(field(everything, 'thing', name)?.default).toEqual({ kind: 'value', value })
  })

  it('gives the defaults that the library makes, and marks those that only the database or Prisma can make', () => {
    expect(field(everything, 'thing', 'uuid4')?.default).toEqual({ kind: 'uuid', version: 4 })
    expect(field(everything, 'thing', 'uuid7')?.default).toEqual({ kind: 'uuid', version: 7 })
    expect(field(everything, 'thing', 'touched')).toMatchObject({ default: { kind: 'now' }, updatedAt: true })
    for (const name of ['id', 'nano', 'sorted', 'serial', 'made'])
      expect(field(everything, 'thing', name)?.default).toEqual({ kind: 'foreign' })
  })

  it('gives native types their casts', () => {
    expect(field(everything, 'thing', 'small')).toMatchObject({ sqlType: 'smallint', small: true })
    expect(field(everything, 'thing', 'moment')?.sqlType).toBe('timestamptz')
    expect(field(everything, 'thing', 'day')).toMatchObject({ sqlType: 'date', dateOnly: true })
    expect(field(everything, 'thing', 'nothing')?.sqlType).toBe('json')
    expect(field(everything, 'thing', 'decimal')).toMatchObject({ sqlType: 'numeric', precision: 65, scale: 30 })
    expect(field(everything, 'thing', 'wide')).toMatchObject({ sqlType: 'numeric', precision: 147_455, scale: 16_383 })
  })
})

describe('a schema with what cannot be written behind', () => {
  let refused: Generated

  beforeAll(async () => {
    const body = `
model Types {
  id     Int      @id
  char   String   @db.Char(3)
  citext String[] @db.Citext
  xml    String   @db.Xml
  inet   String   @db.Inet
  bit    String   @db.Bit(2)
  varbit String   @db.VarBit(2)
  oid    Int      @db.Oid
  money  Decimal  @db.Money
  real   Float    @db.Real
  time   DateTime @db.Time(3)
  timetz DateTime @db.Timetz(3)
  stamp  DateTime @db.Timestamp(0)
  zoned  DateTime @db.Timestamptz(2)
  circle Unsupported("circle")
  hidden String   @ignore
  long   Int      @default(40000) @db.SmallInt
}
model BytesKey {
  id Bytes @id
}
model CaselessKey {
  id String @id @db.Citext
}
model FloatKey {
  a Float
  b Json
  @@id([a, b])
}
model Keyless {
  id String @unique
}
view Report {
  id String @unique
}
model Twin {
  id String @id
}
model twin {
  id String @id
}
model WriteBehindLedger {
  shard  Int @id
  batch  String?
  recent String
  extra  Int
}
generator client {
  provider = "prisma-client"
  output = "./client"
  previewFeatures = ["views"]
}`
    refused = await generate(schemaOf(body))
  })

  it('gives no file', () => {
    expect(refused.source).toBe('')
  })

  it.each([
    ['Types.char', 'pads'],
    ['Types.citext', 'no lists of it'],
    ['CaselessKey.id', 'without regard to case'],
    ['Types.xml', '@db.Xml'],
    ['Types.inet', '@db.Inet'],
    ['Types.bit', '@db.Bit(2)'],
    ['Types.varbit', '@db.VarBit(2)'],
    ['Types.oid', '@db.Oid'],
    ['Types.money', '@db.Money'],
    ['Types.real', 'rounds'],
    ['Types.time', '@db.Time(3)'],
    ['Types.timetz', '@db.Timetz(3)'],
    ['Types.stamp', 'cuts off the milliseconds'],
    ['Types.zoned', 'cuts off the milliseconds'],
    ['Types.circle', 'Unsupported("circle")'],
    ['Types.hidden', '@ignore'],
    ['Types.long', 'does not fit'],
    ['BytesKey.id', 'a key of type Bytes'],
    ['FloatKey.a', 'a key of type Float'],
    ['FloatKey.b', 'a key of type Json'],
    ['Keyless', 'no primary key'],
    ['Report', 'is a view'],
    ['twin', 'delegate'],
    ['WriteBehindLedger.shard', 'String @id'],
    ['WriteBehindLedger.batch', 'String'],
    ['WriteBehindLedger.recent', 'String[]'],
    ['WriteBehindLedger.extra', 'nothing fills this field'],
  ])('says why %s is refused', (subject, why) => {
    expect(problem(refused.output, subject)).toContain(why)
  })

  it('says how to select the models', () => {
    expect(refused.output).toContain('`models = ["…"]`')
  })
})

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
    expect(problem(refused.output, 'A.id')).toContain('is of the key')
    for (const name of ['A.bit', 'A.made']) expect(problem(refused.output, name)).toContain('no default of the database')
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
      `expected the name of a TypeScript file (.ts, .mts or .cts), as TypeScript is what is written into it; got "${file}"`,
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
