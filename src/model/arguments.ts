/** The types of calls and results, derived from a model's metadata. Calls take what Prisma's own calls take. */
import type { Decimal } from '@prisma/client/runtime/client'
import type { JsonValue } from './json.js'
import type { Field, Model, Models } from './model.js'
import type { Arithmetic, ScalarTypes } from './scalars.js'

export type { Decimal, JsonValue }

type FieldOf<M extends Model> = M['fields'][number]
type Named<M extends Model, N> = Extract<FieldOf<M>, { readonly name: N }>
type KeyName<M extends Model> = M['key'][number]
type PlainField<M extends Model> = Exclude<FieldOf<M>, { readonly name: KeyName<M> }>

type Scalar<F extends Field, Side extends 'input' | 'output'> = F extends { readonly type: 'Enum'; readonly enum: infer E }
  ? keyof E
  : ScalarTypes[F['type']][Side]
type Nullable<F extends Field, V> = F['nullable'] extends true ? V | null : V
type Value<F extends Field> = F['list'] extends true ? Scalar<F, 'output'>[] : Nullable<F, Scalar<F, 'output'>>
type InputValue<F extends Field> = F['list'] extends true
  ? readonly Scalar<F, 'input'>[]
  : F['nullable'] extends true
    ? Scalar<F, 'input'> | ScalarTypes[F['type']]['null']
    : Scalar<F, 'input'>

/** The fields of this arithmetic. */
type With<F extends Field, A extends Arithmetic> = F['list'] extends true
  ? never
  : ScalarTypes[F['type']]['arithmetic'] extends A
    ? F
    : never
type Counter<F extends Field> = With<F, 'integer'>
/** Counters whose start in a missing row is known, because neither the database nor Prisma alone makes it. */
type Started<F extends Field> = F extends { readonly default: { readonly kind: 'foreign' } } ? never : Counter<F>
type Comparable<F extends Field> = With<F, Exclude<Arithmetic, 'none'>>
/** Fields that have objects as values, so that `{ set }` could be either. */
type Ambiguous<F extends Field> = F['list'] extends true ? never : F['type'] extends 'Json' ? F : never
type OperationName = 'set' | 'increment' | 'decrement' | 'max' | 'min'
/** One operation and no other. */
type Only<N extends OperationName, V> = { [K in N]: V } & { [K in Exclude<OperationName, N>]?: undefined }
type Change<F extends Field> =
  | (Ambiguous<F> extends never ? Only<'set', InputValue<F>> : never)
  | (Counter<F> extends never ? never : Only<'increment', Scalar<F, 'input'>> | Only<'decrement', Scalar<F, 'input'>>)
  | (Comparable<F> extends never ? never : Only<'max', Scalar<F, 'input'>> | Only<'min', Scalar<F, 'input'>>)

type Optional<F extends Field> = F extends { readonly default: { readonly kind: 'foreign' } }
  ? never
  : F extends { readonly default: object } | { readonly updatedAt: true } | { readonly nullable: true } | { readonly list: true }
    ? F
    : never

/** Forbids names that a type lacks. TypeScript itself checks this only of literals, and not of values that a type is inferred from. */
type NoOther<Given, Names> = { [N in Exclude<keyof Given, Names>]: never }

/** Forbids the same in changes and in the operations within them. */
type Exactly<M extends Model, U> = U &
  NoOther<U, FieldOf<M>['name']> & {
    [N in keyof U]: N extends Ambiguous<FieldOf<M>>['name']
      ? unknown
      : U[N] extends { [K in OperationName]: Record<K, unknown> }[OperationName]
        ? NoOther<U[N], OperationName>
        : unknown
  }

/** Fields without a default: a row cannot be inserted without a value for them. */
type RequiredName<M extends Model> = Exclude<PlainField<M>, Optional<PlainField<M>>>['name']

/**
 * What `increment`, `decrement`, `set`, `max` and `min` take: some fields. All fields that the insert of a missing row needs must be among them. If
 * such a field is not among them, the type is a text that says what to call instead.
 */
export type Inserting<M extends Model, Given, Names> = Given &
  NoOther<Given, Names> &
  ([Exclude<RequiredName<M>, keyof Given>] extends [never]
    ? unknown
    : `${Exclude<RequiredName<M>, keyof Given>} has no default, so that a missing row could not be inserted: call update, which changes only a row that is there, or upsert`)

/** One of the models that the generator has emitted. */
export type Described<C extends Models, N extends keyof C> = C[N]

/** One row, as `findUnique` returns it. The generator gives it a name. */
export type Row<M extends Model> = 'row' extends keyof M ? NonNullable<M['row' & keyof M]> : { [F in FieldOf<M> as F['name']]: Value<F> }

/** The key of a record: `{ path }`, or `{ device_metric: { device, metric } }`. */
export type Where<M extends Model> = M extends { readonly compoundKey: infer C extends string }
  ? { [N in C]: { [K in KeyName<M>]: InputValue<Named<M, K>> } }
  : { [K in KeyName<M>]: InputValue<Named<M, K>> }

/** The row to insert. Key fields may be left out, because `where` has them. */
export type Create<M extends Model> = {
  [F in Exclude<PlainField<M>, Optional<PlainField<M>>> as F['name']]:
    | InputValue<F>
    | (F['list'] extends true ? { set: InputValue<F> } : never)
} & {
  [F in Optional<PlainField<M>> as F['name']]?: InputValue<F> | (F['list'] extends true ? { set: InputValue<F> } : never) | undefined
} & { [K in KeyName<M>]?: InputValue<Named<M, K>> | undefined }

/** Changes of a row: values, `{ set }`, `{ increment }`, `{ decrement }`, `{ max }`, `{ min }`. */
export type Update<M extends Model> = { [F in PlainField<M> as F['name']]?: InputValue<F> | Change<F> | undefined } & {
  [K in KeyName<M>]?: InputValue<Named<M, K>> | undefined
}

/** Values to set. */
export type Values<M extends Model> = { [F in PlainField<M> as F['name']]?: InputValue<F> | undefined }

/** Values that fields are to be at least, or at most. */
export type Bounds<M extends Model> = {
  [F in PlainField<M> as Comparable<F> extends never ? never : F['name']]?: Scalar<F, 'input'> | undefined
}

/** Amounts to add. A negative amount subtracts. */
export type Increments<M extends Model> = {
  [F in PlainField<M> as Started<F> extends never ? never : F['name']]?: Scalar<F, 'input'> | undefined
}

export type Select<M extends Model> = { [F in FieldOf<M> as F['name']]?: boolean | undefined }

export type Selected<M extends Model, S extends Select<M> | undefined> = S extends undefined
  ? Row<M>
  : { [N in keyof Row<M> as N extends keyof S ? (S[N] extends true ? N : never) : never]: Row<M>[N] }

export interface UpsertArgs<M extends Model, C extends Create<M> = Create<M>, U extends Update<M> = Update<M>> {
  where: Where<M>
  create: C & NoOther<C, FieldOf<M>['name']>
  update: Exactly<M, U>
}

export interface UpdateArgs<M extends Model, U extends Update<M> = Update<M>> {
  where: Where<M>
  data: Exactly<M, U>
}

export interface DeleteArgs<M extends Model> {
  where: Where<M>
}

export interface FindUniqueArgs<M extends Model, S extends Select<M> | undefined> {
  where: Where<M>
  select?: S & NoOther<S, FieldOf<M>['name']>
}

export interface FindManyArgs<M extends Model, S extends Select<M> | undefined> {
  /** A `where` for each row. */
  keys: readonly Where<M>[]
  select?: S & NoOther<S, FieldOf<M>['name']>
}

/** The part of one record that is not in the database yet. */
export interface PendingRecord<M extends Model> {
  /**
   * `pending`: it waits for its flush · `claimed`: it is in the batch under way, and `next` has what was written since · `parked`: the database
   * refuses it, and it waits for another try or for the next write
   */
  readonly state: 'pending' | 'claimed' | 'parked'
  /** Time of its first write, by Redis' clock. For a parked record the time of the last refusal, or of the first write since. */
  readonly since: Date
  /** Why the database refused the record: SQLSTATE and constraint, never values. */
  readonly reason?: string
  /** How often the database has refused it. */
  readonly attempts?: number
  /** What happens to the row: `upsert` inserts or changes it, `insert` inserts it and nothing else, `replace` deletes and then inserts it. */
  readonly kind: 'update' | 'upsert' | 'insert' | 'replace' | 'delete'
  /** `upsert`, `insert` and `replace`: the row that is inserted where there is none, without its key. */
  readonly insert?: Omit<Row<M>, KeyName<M>>
  /** Values that are set in a row that is there. */
  readonly set: { readonly [F in PlainField<M> as F['name']]?: Value<F> }
  /** Amounts that are added in a row that is there. An amount exceeds 64 bits only where the database will refuse it. */
  readonly increment: { readonly [F in PlainField<M> as Counter<F> extends never ? never : F['name']]?: bigint }
  /** Lower bounds of the values after that. A null becomes the bound. */
  readonly max: { readonly [F in PlainField<M> as Comparable<F> extends never ? never : F['name']]?: Scalar<F, 'output'> }
  /** Upper bounds of them. */
  readonly min: { readonly [F in PlainField<M> as Comparable<F> extends never ? never : F['name']]?: Scalar<F, 'output'> }
  /** The changes that were written after the record was claimed. */
  readonly next?: PendingRecord<M>
}
