/** Turns Prisma's DMMF into the library's models. It collects everything that cannot be written behind, and throws it as one error. */
import type { DMMF } from '@prisma/generator-helper'
import type { Field, Ledger, Model, Models, Provider, Relations, ScalarType } from '../model/model.js'
import { SCALARS } from '../model/scalars.js'
import { type Block, readBlocks } from './datamodel.js'
import { toDefault } from './default.js'
import { LEDGER_MODEL, toLedger } from './ledger.js'
import type { Native, NativeType } from './native.js'
import { Problems, type Refuse } from './problems.js'
import { NATIVE, providerOf } from './providers.js'
import { toRelations } from './relations.js'

export interface Schema {
  readonly datamodel: DMMF.Datamodel
  /** The text of the Prisma schema. If it has several files, their texts are joined. */
  readonly text: string
  readonly provider: string | undefined
}

export interface Selection {
  /** Names of the models to cache. @default every model but the ledger */
  readonly models?: readonly string[] | undefined
  /** `Model.field`: fields that cached rows lack, and that an insert leaves to the database. */
  readonly omit?: readonly string[] | undefined
  /** Name of the ledger's model. @default 'WriteBehindLedger' */
  readonly ledger?: string | undefined
}

interface Context {
  readonly schema: Schema
  readonly provider: Provider
  readonly native: Native
  readonly blocks: ReadonlyMap<string, Block>
  readonly refuse: Refuse
  /** `Model.field`. */
  readonly omitted: ReadonlySet<string>
}

const SELECT_MODELS = 'Without `models = ["…"]` in the generator block every model is cached. List the models to cache there.'
/** Functions of `@default(…)` that Prisma carries out itself, so that the column has no such default. */
const MADE_BY_PRISMA: ReadonlySet<string> = new Set(['uuid', 'cuid', 'ulid', 'nanoid'])

/** @throws ConfigurationError naming every `Model.field` that cannot be written behind. */
export function toModels(schema: Schema, selection: Selection = {}): Models {
  const problems = new Problems()
  const { refuse } = problems
  const supported = providerOf(schema.provider)
  if (supported === undefined) {
    const names = Object.keys(NATIVE).map((name) => JSON.stringify(name))
    refuse('datasource', `provider ${JSON.stringify(schema.provider)} is not supported; use ${names.join(' or ')}`)
  }
  const provider = supported ?? 'postgresql'
  const native = NATIVE[provider]
  const context = { schema, provider, native, blocks: readBlocks(schema.text), refuse, omitted: new Set(selection.omit) }
  if (/^\s*relationMode\s*=\s*"prisma"/m.test(schema.text)) {
    refuse(
      'datasource',
      'with relationMode = "prisma", only Prisma changes the rows that refer to a deleted row, and a delete of the library does not; use foreign keys',
    )
  }
  const ledgerName = selection.ledger ?? LEDGER_MODEL
  const ledgerModel = schema.datamodel.models.find((model) => model.name === ledgerName)
  const ledger = toLedger(ledgerName, schema.datamodel.models, native.ledger, refuse)
  if (ledgerModel) refuseHiddenFields(ledgerModel, context)

  refuseUnknownFields(context)

  const models: Record<string, Model> = {}
  const relations = toRelations(schema.datamodel.models)
  for (const model of selectModels(context, selection.models, ledgerName)) {
    const delegate = delegateName(model.name)
    const other = Object.hasOwn(models, delegate) ? models[delegate] : undefined
    if (other) refuse(model.name, `its delegate "${delegate}" is also that of ${other.name}; rename one of them`)
    models[delegate] = toModel(model, ledger, relations, context)
  }
  problems.throwAll(selection.models ? '' : SELECT_MODELS)
  return models
}

function selectModels({ schema, blocks, refuse }: Context, names: readonly string[] | undefined, ledger: string): readonly DMMF.Model[] {
  const all = schema.datamodel.models
  if (!names) return all.filter((model) => model.name !== ledger)
  if (names.length === 0) refuse('generator', '`models` is empty; name the models to cache, or leave it out to cache every model')
  return [...new Set(names)].flatMap((name) => {
    const model = all.find((candidate) => candidate.name === name)
    if (name === ledger) refuse(name, 'is the ledger, which cannot be cached; take it out of `models`')
    else if (blocks.get(name)?.kind === 'type') refuse(name, 'is a composite type, not a model; take it out of `models`')
    else if (!model)
      refuse(name, 'no such model in the Prisma client; correct the name in `models` (models with @@ignore cannot be cached)')
    return model && name !== ledger ? [model] : []
  })
}

function toModel(model: DMMF.Model, ledger: Ledger, relations: Relations | undefined, context: Context): Model {
  const { refuse } = context
  const all = model.fields.filter((field) => field.kind !== 'object')
  const key = model.primaryKey?.fields ?? all.filter((field) => field.isId).map((field) => field.name)
  const [columns, omitted] = partition(all, ({ name }) => !context.omitted.has(`${model.name}.${name}`))
  for (const field of omitted) refuseOmitted(model, field, key, refuse)
  if (context.blocks.get(model.name)?.kind === 'view') {
    refuse(model.name, 'is a view, which cannot be written; leave it out')
  } else if (key.length === 0) {
    refuse(model.name, 'has no primary key, by which the library names a record; give it an @id or @@id, or leave it out')
  }
  refuseHiddenFields(model, context)
  for (const field of columns) if (key.includes(field.name) || field.isList) refuseCaseless(model, field, context)
  const fields = columns.map((field) => toField(model, field, context))
  for (const field of fields) if (key.includes(field.name)) refuseKeyField(model, field, refuse)
  return {
    name: model.name,
    provider: context.provider,
    ...(model.schema ? { schema: model.schema } : {}),
    table: model.dbName ?? model.name,
    key,
    ...(model.primaryKey && key.length > 1 ? { compoundKey: model.primaryKey.name ?? key.join('_') } : {}),
    fields,
    ...(omitted.length > 0 ? { omitted: omitted.map(({ name }) => name) } : {}),
    ledger,
    ...(relations ? { relations } : {}),
  }
}

function toField(model: DMMF.Model, field: DMMF.Field, context: Context): Field {
  const { schema, native, blocks, refuse } = context
  const enumeration = schema.datamodel.enums.find((candidate) => field.kind === 'enum' && candidate.name === field.type)
  const column = enumeration
    ? enumType(enumeration, blocks.get(enumeration.name)?.schema)
    : native.columnType(field.type as Exclude<ScalarType, 'Enum'>, field.nativeType)
  const described: Field = {
    name: field.name,
    column: field.dbName ?? field.name,
    type: enumeration ? 'Enum' : (field.type as ScalarType),
    sqlType: '',
    nullable: !field.isRequired && !field.isList,
    list: field.isList,
    ...(enumeration ? { enum: Object.fromEntries(enumeration.values.map((value) => [value.name, value.dbName ?? value.name])) } : {}),
    ...column,
  }
  if (!column) {
    const why = explainRefusal(native, field.type, field.nativeType)
    refuse(`${model.name}.${field.name}`, `${why}; change the type of the column, or leave it out by ${omitOption(model, field)}`)
    return described
  }
  const declaration = blocks.get(model.name)?.fields.get(field.name) ?? ''
  const defaultValue = toDefault(model.name, described, field.default, declaration, refuse)
  return { ...described, ...(defaultValue ? { default: defaultValue } : {}), ...(field.isUpdatedAt ? { updatedAt: true } : {}) }
}

function enumType({ name, dbName }: DMMF.DatamodelEnum, schema: string | undefined): Pick<Field, 'sqlType' | 'sqlSchema'> {
  return { sqlType: dbName ?? name, ...(schema === undefined ? {} : { sqlSchema: schema }) }
}

function explainRefusal({ reasons }: Native, type: string, native: NativeType): string {
  if (!native) return `its type ${type} is not supported`
  const [name, args] = native
  return `@db.${name}${args.length > 0 ? `(${args.join(', ')})` : ''} is not supported${name in reasons ? `: ${reasons[name]}` : ''}`
}

function refuseKeyField(model: DMMF.Model, field: Field, refuse: Refuse): void {
  if (!field.list && SCALARS[field.type].canBeKey) return
  const type = `${field.type}${field.list ? '[]' : ''}`
  refuse(
    `${model.name}.${field.name}`,
    `a key of type ${type} does not have exactly one text for each value; use another type for the key, or leave the model out`,
  )
}

/** Refuses required fields that the DMMF does not show, because an insert could not fill them. */
function refuseHiddenFields(model: DMMF.Model, { blocks, refuse }: Context): void {
  for (const [name, declaration] of blocks.get(model.name)?.fields ?? []) {
    const subject = `${model.name}.${name}`
    const [unsupported, suffix] = /^Unsupported\([^)]*\)(\?|\[\])?/.exec(declaration) ?? []
    if (unsupported !== undefined && suffix === undefined && !declaration.includes('@default(')) {
      refuse(
        subject,
        `its type ${unsupported} is unknown to Prisma's client, so that an insert could not fill it; make it optional, give it a @default, or leave the model out`,
      )
    } else if (isRequiredAndIgnored(declaration, blocks)) {
      refuse(
        subject,
        'is required but hidden by @ignore, so that an insert could not fill it; make it optional, give it a @default, or leave the model out',
      )
    }
  }
}

/** Refuses to omit a field that an insert has to name. Any other field gets the database's default, or null. */
function refuseOmitted(model: DMMF.Model, field: DMMF.Field, key: readonly string[], refuse: Refuse): void {
  const subject = `${model.name}.${field.name}`
  const isMadeByPrisma = typeof field.default === 'object' && 'name' in field.default && MADE_BY_PRISMA.has(field.default.name)
  if (key.includes(field.name)) refuse(subject, 'is part of the key, by which the library names a record; take it out of `omit`')
  else if (field.isUpdatedAt || isMadeByPrisma)
    refuse(
      subject,
      'is filled in by Prisma, and the database has no default that does the same, so that a write cannot leave the field out; take it out of `omit`',
    )
  else if (field.isRequired && !field.isList && !field.hasDefaultValue)
    refuse(
      subject,
      'is required, and the database has no default for it, so that an insert cannot leave it out; take it out of `omit`, make it optional, or give it a default',
    )
}

function refuseUnknownFields({ schema, omitted, refuse }: Context): void {
  const known = new Set(
    schema.datamodel.models.flatMap(({ name, fields }) =>
      fields.filter(({ kind }) => kind !== 'object').map((field) => `${name}.${field.name}`),
    ),
  )
  for (const name of omitted)
    if (!known.has(name)) refuse(name, 'no such field in the Prisma client; correct the name in `omit`, which is `Model.field`')
}

/** Refuses keys and lists of types that ignore case. Two keys that differ only in case would be two records, and one row. */
function refuseCaseless(model: DMMF.Model, field: DMMF.Field, { native, refuse }: Context): void {
  const [name = ''] = field.nativeType ?? []
  const caseless = native.caseless[name]
  if (caseless === undefined) return
  const why = field.isList ? caseless.list : caseless.key
  refuse(`${model.name}.${field.name}`, `@db.${name} is not supported here: ${why}; change the type of the column, or leave the model out`)
}

function omitOption(model: DMMF.Model, field: DMMF.Field): string {
  return `omit = ["${model.name}.${field.name}"] in the generator block`
}

function partition<T>(all: readonly T[], isFirst: (each: T) => boolean): [T[], T[]] {
  return [all.filter(isFirst), all.filter((each) => !isFirst(each))]
}

function isRequiredAndIgnored(declaration: string, blocks: Context['blocks']): boolean {
  const [, type = ''] = /^([\w-]+)(?:\s|$)/.exec(declaration) ?? []
  const isRelation = blocks.get(type)?.kind === 'model'
  return type !== '' && !isRelation && /@ignore\b/.test(declaration) && !declaration.includes('@default(')
}

/** The model's name in Prisma's client. */
function delegateName(model: string): string {
  return model.charAt(0).toLowerCase() + model.slice(1)
}
