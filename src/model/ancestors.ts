import type { Model, Relations } from './model.js'

/** The models that rows of a model refer to by foreign keys, directly or through other models. The model itself is one if they lead back to it. */
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
 * Puts parents before children: no model of a tier refers to a model of a later tier. Within a circle only foreign keys that cannot be null count.
 * Where these go in a circle, too, its models share a tier.
 * @param all that have a model of one schema
 */
export function inTiers<R extends Related>(all: Iterable<R>): R[][] {
  return tiersBy([...all], ({ relations = {} }) => relations).flatMap((tier) => tiersBy(tier, requiredRelations))
}

function tiersBy<R extends Related>(all: readonly R[], relationsOf: (model: Model) => Relations): R[][] {
  const tiers: R[][] = []
  const relations = Object.assign({}, all[0]?.model.relations, ...all.map(({ model }) => relationsOf(model)))
  const ancestors = new Map(all.map(({ model: { name } }) => [name, ancestorsOf(relations, name)]))
  const refersTo = (name: string, other: string) => ancestors.get(name)?.has(other) === true
  let left = all
  while (left.length > 0) {
    const names = left.map(({ model }) => model.name)
    const tier = left.filter(({ model: { name } }) => names.every((other) => !refersTo(name, other) || refersTo(other, name)))
    tiers.push(tier)
    left = left.filter((each) => !tier.includes(each))
  }
  return tiers
}

/** The relations of the model itself whose foreign keys cannot be null. */
function requiredRelations({ name, relations = {}, fields }: Model): Relations {
  const nullable = new Set(fields.filter((field) => field.nullable).map((field) => field.name))
  const required = Object.entries(relations[name] ?? {}).filter(([, relation]) => !relation.fields?.some((field) => nullable.has(field)))
  return { [name]: Object.fromEntries(required) }
}
