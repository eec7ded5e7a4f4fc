/**
 * Reads the relation fields of the whole schema, because a call on one model may also read and change rows of other models, directly or by cascades.
 */
import type { DMMF } from '@prisma/generator-helper'
import type { Relation, Relations } from '../model/model.js'

/** Returns `undefined` if no model has a relation. */
export function toRelations(models: readonly DMMF.Model[]): Relations | undefined {
  const described = models.map(
    ({ name, fields }) => [name, Object.fromEntries(fields.flatMap((field) => toRelation(models, field)))] as const,
  )
  const related = described.filter(([, relations]) => Object.keys(relations).length > 0)
  return related.length === 0 ? undefined : Object.fromEntries(related)
}

function toRelation(models: readonly DMMF.Model[], field: DMMF.Field): [string, Relation][] {
  if (field.kind !== 'object' || field.relationName === undefined) return []
  const [fields, references] = [field.relationFromFields ?? [], field.relationToFields ?? []]
  if (fields.length === 0) return [[field.name, { to: field.type }]]
  const others = models.find(({ name }) => name === field.type)?.fields ?? []
  const single = others.some(
    (other) => other.relationName === field.relationName && other.relationFromFields?.length === 0 && !other.isList,
  )
  return [[field.name, { to: field.type, fields: [...fields], references: [...references], ...(single ? { single } : {}) }]]
}
