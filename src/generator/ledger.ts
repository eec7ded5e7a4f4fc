import type { DMMF } from '@prisma/generator-helper'
import type { Ledger } from '../model/model.js'
import type { LedgerField, LedgerFields } from './native.js'
import type { Refuse } from './problems.js'

export const LEDGER_MODEL = 'WriteBehindLedger'

/**
 * What to add to a Prisma schema that has no ledger.
 * @param schema the database schema that another model names. Then all models have to name one
 */
function exampleOf({ shard, batch, recent }: LedgerFields, schema: string | null | undefined): string {
  return `model ${LEDGER_MODEL} {
    shard  ${shard.type.padEnd(recent.type.length)} @id${shard.attributes}
    batch  ${batch.type}${batch.attributes}
    recent ${recent.type}${recent.attributes}
    @@map("write_behind_ledger")${schema ? `\n    @@schema(${JSON.stringify(schema)})` : ''}
  }`
}

/** Reads the ledger's model. You may choose its names in the database, but not its names in Prisma. */
export function toLedger(name: string, models: readonly DMMF.Model[], wanted: LedgerFields, refuse: Refuse): Ledger {
  const model = models.find((each) => each.name === name)
  if (!model) {
    const example = exampleOf(wanted, models.find(({ schema }) => schema)?.schema)
    refuse(name, `there is no ledger model of this name; add this one, or name yours with \`ledger = "…"\`:\n  ${example}`)
  }
  const columns = { shard: 'shard', batch: 'batch', recent: 'recent' }
  for (const part of ['shard', 'batch', 'recent'] as const) {
    const field = model?.fields.find((candidate) => candidate.name === part)
    const isKey = part === 'shard'
    if (model && !(field && fits(field, wanted[part], isKey)))
      refuse(`${name}.${part}`, `the ledger needs this field as ${wanted[part].type}${isKey ? ' @id' : ''} without @db type`)
    columns[part] = field?.dbName ?? part
  }
  for (const field of model?.fields ?? []) {
    const filled =
      field.kind === 'object' || Object.hasOwn(columns, field.name) || field.isList || !field.isRequired || field.hasDefaultValue
    if (!filled) refuse(`${name}.${field.name}`, 'nothing fills this field of the ledger; take it out, or make it optional')
  }
  return { ...(model?.schema ? { schema: model.schema } : {}), table: model?.dbName ?? name, ...columns }
}

function fits(field: DMMF.Field, { list, natives }: LedgerField, isKey: boolean): boolean {
  const isText = field.type === 'String' && (!field.nativeType || natives.includes(field.nativeType[0]))
  return isText && field.isRequired && field.isList === list && field.isId === isKey
}
