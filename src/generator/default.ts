/** `@default(…)`, and how the library fills it in. Constants go through the codec, because equal values must have equal texts. */
import type { DMMF } from '@prisma/generator-helper'
import { encode } from '../model/codec.js'
import type { Field, FieldDefault } from '../model/model.js'
import { SCALARS } from '../model/scalars.js'
import { readDefaultNumbers } from './datamodel.js'
import type { Refuse } from './problems.js'

type Written = DMMF.Field['default']
type Constant = DMMF.FieldDefaultScalar

/** @param declaration the field's text in the Prisma schema, since the DMMF gives a Decimal as a double */
export function toDefault(model: string, field: Field, written: Written, declaration: string, refuse: Refuse): FieldDefault | undefined {
  if (written === undefined) return undefined
  if (isCall(written)) return ofCall(written)
  const numbers = field.type === 'Decimal' ? readDefaultNumbers(declaration) : []
  const { ofConstant } = SCALARS[field.type]
  try {
    const value = Array.isArray(written)
      ? written.map((constant, index) => ofConstant(numbers[index] ?? constant))
      : ofConstant(numbers[0] ?? (written as Constant))
    return { kind: 'value', value: encode({ name: model }, field, value) }
  } catch (error) {
    refuse(`${model}.${field.name}`, `its default does not fit the column (${error instanceof Error ? error.message : error}); correct it`)
    return undefined
  }
}

/** The library makes times and random ids itself. The caller has to give any other value, or the extension leaves the call to Prisma. */
function ofCall({ name, args }: DMMF.FieldDefault): FieldDefault {
  if (name === 'now') return { kind: 'now' }
  if (name === 'uuid') return { kind: 'uuid', version: Number(args[0]) === 7 ? 7 : 4 }
  return { kind: 'foreign' }
}

function isCall(written: NonNullable<Written>): written is DMMF.FieldDefault {
  return typeof written === 'object' && !Array.isArray(written)
}
