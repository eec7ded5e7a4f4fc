/** `@default(…)`, and how the library fills it in. Constants go through the codec: equal values must have equal texts. */

import { JsonNull } from '@prisma/client/runtime/client'
import type { DMMF } from '@prisma/generator-helper'
import { encode } from '../model/codec.js'
import type { Field, FieldDefault } from '../model/model.js'
import { readDefaultNumbers } from './datamodel.js'
import type { Refuse } from './problems.js'

type Written = DMMF.Field['default']
type Constant = DMMF.FieldDefaultScalar

/** @param declaration the field's text in the Prisma schema; the DMMF gives a Decimal as a double */
export function describeDefault(
  model: string,
  field: Field,
  written: Written,
  declaration: string,
  refuse: Refuse,
): FieldDefault | undefined {
  if (written === undefined) return undefined
  if (isCall(written)) return describeCall(written)
  const numbers = field.type === 'Decimal' ? readDefaultNumbers(declaration) : []
  try {
    const value = Array.isArray(written)
      ? written.map((constant, index) => parse(field, numbers[index] ?? constant))
      : parse(field, numbers[0] ?? (written as Constant))
    return { kind: 'value', value: encode({ name: model, table: '', key: [], fields: [], ledger: NO_LEDGER }, field, value) }
  } catch (error) {
    refuse(`${model}.${field.name}`, `its default does not fit the column (${error instanceof Error ? error.message : error}); correct it`)
    return undefined
  }
}

const NO_LEDGER = { table: '', shard: '', batch: '', recent: '' }

/** What neither the time nor a random number makes is left to the caller, and of the extension's calls to Prisma. */
function describeCall({ name, args }: DMMF.FieldDefault): FieldDefault {
  if (name === 'now') return { kind: 'now' }
  if (name === 'uuid') return { kind: 'uuid', version: Number(args[0]) === 7 ? 7 : 4 }
  return { kind: 'foreign' }
}

function isCall(written: NonNullable<Written>): written is DMMF.FieldDefault {
  return typeof written === 'object' && !Array.isArray(written)
}

/** The value as a caller would give it. */
function parse(field: Field, constant: Constant): unknown {
  switch (field.type) {
    case 'BigInt':
      return BigInt(constant)
    case 'Decimal':
      return String(constant)
    case 'Bytes':
      return Buffer.from(String(constant), 'base64')
    case 'Json':
      return JSON.parse(String(constant)) ?? JsonNull
    default:
      return constant
  }
}
