import type { Model, Relations } from './model.js'

/** The models that rows of a model refer to by foreign keys, directly or over others: itself, too, if they can lead back to it. */
export function ancestorsOf(relations: Relations, name: string): ReadonlySet<string> {
  const found = new Set<string>()
  const climb = (child: string) => {
    for (const { to, fields } of Object.values(relations[child] ?? {})) {
      if (fields === undefined || found.has(to)) continue
      found.add(to)
      climb(to)
    }
  }
  climb(name)
  return found
}

interface Related {
  readonly model: Model
}

/**
 * Parents before children: no part of a tier refers to one of a later tier. In a circle that is said of foreign keys that cannot be null;
 * where these go in a circle, too, its models share a tier.
 * @param parts of one schema
 */
export function inTiers<P extends Related>(parts: Iterable<P>): P[][] {
  return tiersBy([...parts], ({ relations = {} }) => relations).flatMap((tier) => tiersBy(tier, requiredRelations))
}

function tiersBy<P extends Related>(parts: readonly P[], relationsOf: (model: Model) => Relations): P[][] {
  const tiers: P[][] = []
  const relations = Object.assign({}, parts[0]?.model.relations, ...parts.map(({ model }) => relationsOf(model)))
  const ancestors = new Map(parts.map(({ model: { name } }) => [name, ancestorsOf(relations, name)]))
  const refersTo = (name: string, other: string) => ancestors.get(name)?.has(other) === true
  let left = parts
  while (left.length > 0) {
    const names = left.map(({ model }) => model.name)
    const tier = left.filter(({ model: { name } }) => names.every((other) => !refersTo(name, other) || refersTo(other, name)))
    tiers.push(tier)
    left = left.filter((part) => !tier.includes(part))
  }
  return tiers
}

/** Of the model itself, those whose foreign keys cannot be null. */
function requiredRelations({ name, relations = {}, fields }: Model): Relations {
  const nullable = new Set(fields.filter((field) => field.nullable).map((field) => field.name))
  const required = Object.entries(relations[name] ?? {}).filter(([, relation]) => !relation.fields?.some((field) => nullable.has(field)))
  return { [name]: Object.fromEntries(required) }
}
