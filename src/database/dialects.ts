import { ConfigurationError } from '../errors.js'
import type { Model, Provider } from '../model/model.js'
import type { Dialect } from './database.js'
import { postgresql } from './postgresql/dialect.js'

/** One line for each dialect. */
const DIALECTS: Readonly<Record<Provider, Dialect>> = { postgresql }

/**
 * The dialect of the database that has the models. If no model is used, no statement is sent, and any dialect is right.
 * @throws ConfigurationError if another release of the generator has emitted the models
 */
export function dialectOf(models: readonly Pick<Model, 'name' | 'provider'>[]): Dialect {
  for (const { name, provider } of models) {
    if (!Object.hasOwn(DIALECTS, provider)) {
      const providers = Object.keys(DIALECTS).join(' or ')
      throw new ConfigurationError(
        `models: expected the provider of ${name} to be ${providers}, got ${provider}; run \`prisma generate\` again, so that generator and library are of one release`,
      )
    }
  }
  return DIALECTS[models[0]?.provider ?? 'postgresql']
}
