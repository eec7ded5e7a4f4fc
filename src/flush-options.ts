import { InvalidInputError } from './errors.js'
import type { Where } from './model/arguments.js'
import { checkCallOptions, checkMs } from './model/call-options.js'
import { describe } from './model/describe.js'
import { KeyEncoder } from './model/key.js'
import type { Model, Models } from './model/model.js'

/** Ms. */
const FLUSH_TIMEOUT = 30_000

/** The models of a cache, where it does not matter which they are. */
export type NoModels = Readonly<Record<never, Model>>

/** What to flush. Without `model` everything is flushed; with `model` (the name of its delegate) that model; with `key`, too, that record. */
export type FlushOptions<C extends Models = NoModels> = {
  /** Ms. @default 30000 */
  timeout?: number
} & ({ model?: undefined; key?: undefined } | { [N in keyof C & string]: { model: N; key?: Where<C[N]> | undefined } }[keyof C & string])

/** What a flush must know of a cached model to find the model by its name. */
interface NamedModel {
  readonly name: string
  readonly model: Model
}

/** One model or all models, one record if a key was given, and the timeout in ms. */
export interface FlushTarget<T> {
  readonly models: readonly T[]
  /** Given only with one model. */
  readonly key: string | undefined
  readonly timeout: number
}

/** @throws InvalidInputError for an unknown model, a malformed key or timeout, or an option that does not exist */
export function checkFlushOptions<T extends NamedModel>(
  options: { model?: unknown; key?: unknown; timeout?: unknown },
  models: readonly T[],
): FlushTarget<T> {
  const { model, key, timeout: ms = FLUSH_TIMEOUT } = checkCallOptions('flush', options, ['model', 'key', 'timeout'])
  const timeout = checkMs('flush.timeout', ms)
  if (model === undefined) {
    if (key !== undefined) throw new InvalidInputError(undefined, 'flush.model', 'a model beside the key', 'none')
    return { models, key: undefined, timeout }
  }
  const named = models.find(({ name }) => name === model)
  if (named === undefined) {
    const names = models.map(({ name }) => name).join(', ')
    throw new InvalidInputError(undefined, 'flush.model', `one of ${names}`, describe(model))
  }
  return { models: [named], key: key === undefined ? undefined : new KeyEncoder(named.model).encode(key), timeout }
}
