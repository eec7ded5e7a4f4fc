import type { Types } from '@prisma/client/runtime/client'
import type { Barrier } from '../flush/barrier.js'
import type { Arguments } from './call.js'
import { type InterceptedModel, Interceptor } from './interceptor.js'
import { Isolation, type IsolationClient } from './isolation.js'
import { PassThrough, type PassThroughModel } from './pass-through.js'
import { Transactions } from './transactions.js'

/** What `$extends` takes: an extension that leaves the client's types as they are. */
export type Extension = (client: unknown) => {
  $extends: { extArgs: Types.Extensions.InternalArgs<unknown, unknown, Record<never, never>, unknown> }
}

/** @internal */
interface ExtensionContext {
  readonly models: readonly (InterceptedModel & PassThroughModel)[]
  readonly barrier: Pick<Barrier, 'flush' | 'flushRecord'>
  isClosed(): boolean
}

/** What Prisma passes to a query extension. Its undocumented parts are read only in this file. */
interface QueryParameters {
  readonly model?: string
  readonly operation: string
  readonly args: unknown
  readonly __internalParams?: { readonly transaction?: unknown }
  query(args: unknown): Promise<unknown>
}

type Transaction = (...args: unknown[]) => Promise<unknown>

/** The parts of a client that the extension uses. The last three are not documented. */
interface Client extends IsolationClient {
  $extends(extension: object): ReturnType<Extension>
  readonly $transaction: Transaction
  readonly _globalOmit?: Readonly<Record<string, Arguments>>
  readonly _previewFeatures?: readonly string[]
  readonly _extensions?: { getAllComputedFields(model: string): object | undefined }
}

/** @internal */
export function createExtension(context: ExtensionContext): Extension {
  const extend = (client: Client) => {
    const { models, barrier, isClosed } = context
    const passThrough = new PassThrough(barrier, models)
    const transactions = new Transactions(new Isolation(client), async () => {
      if (!isClosed()) await passThrough.flushAll()
    })
    const interceptor = new Interceptor({
      models,
      passThrough,
      isClosed,
      transactions,
      omitted: client._globalOmit ?? {},
      isComputing: (delegate) => client._extensions?.getAllComputedFields(delegate) !== undefined,
      strict: client._previewFeatures?.includes('strictUndefinedChecks') === true,
    })
    const begin = client.$transaction
    return client.$extends({
      name: 'write-behind',
      query: { $allOperations: (parameters: QueryParameters) => interceptor.intercept(toCall(parameters)) },
      client: {
        // The call is made on `this`, because that client may have more extensions than this one.
        $transaction(this: unknown, ...args: unknown[]) {
          return transactions.run(args, (...given) => begin.apply(this, given))
        },
      },
    })
  }
  return extend as Extension
}

function toCall({ model, operation, args, query, __internalParams }: QueryParameters) {
  const inTransaction = __internalParams?.transaction !== undefined
  return { model, operation, args, inTransaction, query: () => query(args) }
}
