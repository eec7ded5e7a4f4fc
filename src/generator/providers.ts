import type { Provider } from '../model/model.js'
import type { Native } from './native.js'
import { postgresql } from './postgresql.js'

/** One line for each kind of database. */
export const NATIVE: Readonly<Record<Provider, Native>> = { postgresql }

/** Other names that Prisma has for a provider. */
const ALIASES: Readonly<Record<string, Provider>> = { postgres: 'postgresql' }

/** The kind of database that the datasource names, if it is supported. */
export function providerOf(name: string | undefined): Provider | undefined {
  if (name === undefined) return undefined
  return Object.hasOwn(NATIVE, name) ? (name as Provider) : ALIASES[name]
}
