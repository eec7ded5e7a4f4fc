import { beforeAll, describe, expect, it } from 'vitest'
import { ENUMERATION, field, type Generated, generate, model, schemaOf } from './generate.js'

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
    expect(model(everything, 'thing').ledger).toEqual({ table: '"books"."ledger"', shard: 's', batch: 'b', recent: 'r' })
  })

  it('quotes and qualifies tables and enums', () => {
    expect(model(everything, 'thing').table).toBe('"shop"."odd ""name"""')
    expect(field(everything, 'thing', 'color')?.sqlType).toBe('"books"."colors"')
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
