/** The keys of records, as Prisma's calls on one record take them. */
import type { Model } from '../../src/index.js'
import type { Json } from './rows.js'

export const KEYS_A_RUN = 4

/** Makes a key that no other run uses. It has characters that a naive encoding would mix up. */
export function whereOf(model: Model, run: number, key: number): Json {
  const awkward = ['', ':', '%{}', ' ünï\n"\\'][key] as string
  const id = `${run}!${key}`
  switch (model.name) {
    case 'Player':
      return { id: `${run.toString(16).padStart(8, '0')}-0000-4000-8000-00000000000${key}` }
    case 'Reading':
      return { device_metric: key % 2 === 0 ? { device: awkward, metric: id } : { device: id, metric: awkward } }
    default:
      return { [model.key[0] as string]: `${awkward}${id}` }
  }
}

export function marker(where: Json): string {
  const { device_metric: compound, ...single } = where
  const values = Object.values((compound as Json | undefined) ?? single) as string[]
  return values.find((value) => /\d!\d|-4000-/.test(value))?.replace(/^.*[^\d](\d+!\d)$/su, '$1') as string
}

export function keyFields(where: Json): Json {
  const { device_metric: compound, ...single } = where
  return (compound as Json | undefined) ?? single
}
