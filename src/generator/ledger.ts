import type { DMMF } from '@prisma/generator-helper'
import type { Ledger } from '../model/model.js'
import { quote } from './postgresql.js'
import type { Refuse } from './problems.js'

export const LEDGER_MODEL = 'WriteBehindLedger'

/**
 * What to add to a Prisma schema that has no ledger.
 * @param schema that another model names, since all have to name one then
 */
function exampleOf(schema: string | null | undefined): string {
  return `model ${LEDGER_MODEL} {
    shard  String   @id
    batch  String
    recent String[] @default([])
    @@map("write_behind_ledger")${schema ? `\n    @@schema(${JSON.stringify(schema)})` : ''}
  }`
}

const SHAPE = { shard: 'String @id', batch: 'String', recent: 'String[]' } as const

/** Any names in the database, these names in Prisma. */
export function describeLedger(name: string, models: readonly DMMF.Model[], refuse: Refuse): Ledger {
  const model = models.find((each) => each.name === name)
  if (!model) {
    const example = exampleOf(models.find(({ schema }) => schema)?.schema)
    refuse(name, `there is no ledger model of this name; add this one, or name yours with \`ledger = "…"\`:\n  ${example}`)
  }
  const columns = { shard: 'shard', batch: 'batch', recent: 'recent' }
  for (const part of ['shard', 'batch', 'recent'] as const) {
    const field = model?.fields.find((candidate) => candidate.name === part)
    if (model && !(field && fits(part, field))) refuse(`${name}.${part}`, `the ledger needs this field as ${SHAPE[part]} without @db type`)
    columns[part] = field?.dbName ?? part
  }
  for (const field of model?.fields ?? []) {
    const filled = field.kind === 'object' || Object.hasOwn(SHAPE, field.name) || field.isList || !field.isRequired || field.hasDefaultValue
    if (!filled) refuse(`${name}.${field.name}`, 'nothing fills this field of the ledger; take it out, or make it optional')
  }
  return { table: quote(model?.schema, model?.dbName ?? name), ...columns }
}

function fits(part: keyof typeof SHAPE, field: DMMF.Field): boolean {
  const text = field.type === 'String' && (!field.nativeType || field.nativeType[0] === 'Text')
  return text && field.isRequired && field.isList === (part === 'recent') && field.isId === (part === 'shard')
}
