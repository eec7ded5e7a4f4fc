import { beforeAll, describe, expect, it } from 'vitest'
import { type Generated, generate, problem, schemaOf } from './generate.js'

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
