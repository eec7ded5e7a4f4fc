/** From Prisma's DMMF to the library's metadata. Collects everything that cannot be written behind, and throws it as one error. */
import type { DMMF } from '@prisma/generator-helper'
import type { Field, Ledger, Model, Models, Relations, ScalarType } from '../model/model.js'
import { type Block, readBlocks } from './datamodel.js'
import { describeDefault } from './default.js'
import { describeLedger, LEDGER_MODEL } from './ledger.js'
import { describeColumn, explainRefusal, quote } from './postgresql.js'
import { Problems, type Refuse } from './problems.js'
import { describeRelations } from './relations.js'

export interface Schema {
  readonly datamodel: DMMF.Datamodel
  /** Text of the Prisma schema, all its files in one. */
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
  readonly blocks: ReadonlyMap<string, Block>
  readonly refuse: Refuse
  /** `Model.field`. */
  readonly omitted: ReadonlySet<string>
}

const SELECT_MODELS = 'Without `models = ["…"]` in the generator block every model is cached; name there the ones to cache.'
/** Defaults that are in no column. */
const MADE_BY_PRISMA: ReadonlySet<string> = new Set(['uuid', 'cuid', 'ulid', 'nanoid'])
const KEY_TYPES: ReadonlySet<ScalarType> = new Set(['String', 'Boolean', 'Int', 'BigInt', 'Decimal', 'DateTime', 'Enum'])

/** @throws ConfigurationError naming every `Model.field` that cannot be written behind. */
export function describeModels(schema: Schema, selection: Selection = {}): Models {
  const problems = new Problems()
  const { refuse } = problems
  const context = { schema, blocks: readBlocks(schema.text), refuse, omitted: new Set(selection.omit) }

  if (schema.provider !== 'postgresql' && schema.provider !== 'postgres') {
    refuse('datasource', `provider ${JSON.stringify(schema.provider)} is not supported; use "postgresql"`)
  }
  if (/^\s*relationMode\s*=\s*"prisma"/m.test(schema.text)) {
    refuse('datasource', 'with relationMode = "prisma" a delete passes by what Prisma does to rows that refer to it; use foreign keys')
  }
  const ledgerName = selection.ledger ?? LEDGER_MODEL
  const ledgerModel = schema.datamodel.models.find((model) => model.name === ledgerName)
  const ledger = describeLedger(ledgerName, schema.datamodel.models, refuse)
  if (ledgerModel) refuseHiddenFields(ledgerModel, context)

  refuseUnknownFields(context)

  const models: Record<string, Model> = {}
  const relations = describeRelations(schema.datamodel.models)
  for (const model of selectModels(context, selection.models, ledgerName)) {
    const delegate = delegateName(model.name)
    const other = Object.hasOwn(models, delegate) ? models[delegate] : undefined
    if (other) refuse(model.name, `its delegate "${delegate}" is also that of ${other.name}; rename one of them`)
    models[delegate] = describeModel(model, ledger, relations, context)
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

function describeModel(model: DMMF.Model, ledger: Ledger, relations: Relations | undefined, context: Context): Model {
  const { refuse } = context
  const all = model.fields.filter((field) => field.kind !== 'object')
  const key = model.primaryKey?.fields ?? all.filter((field) => field.isId).map((field) => field.name)
  const [columns, omitted] = partition(all, ({ name }) => !context.omitted.has(`${model.name}.${name}`))
  for (const field of omitted) refuseOmitted(model, field, key, refuse)
  if (context.blocks.get(model.name)?.kind === 'view') {
    refuse(model.name, 'is a view, which cannot be written; leave it out')
  } else if (key.length === 0) {
    refuse(model.name, 'has no primary key, so that its records have no name; give it an @id or @@id, or leave it out')
  }
  refuseHiddenFields(model, context)
  for (const field of columns) if (key.includes(field.name) || field.isList) refuseCaseless(model, field, refuse)
  const fields = columns.map((field) => describeField(model, field, context))
  for (const field of fields) if (key.includes(field.name)) refuseKeyField(model, field, refuse)
  return {
    name: model.name,
    table: quote(model.schema, model.dbName ?? model.name),
    key,
    ...(model.primaryKey && key.length > 1 ? { compoundKey: model.primaryKey.name ?? key.join('_') } : {}),
    fields,
    ...(omitted.length > 0 ? { omitted: omitted.map(({ name }) => name) } : {}),
    ledger,
    ...(relations ? { relations } : {}),
  }
}

function describeField(model: DMMF.Model, field: DMMF.Field, context: Context): Field {
  const { schema, blocks, refuse } = context
  const enumeration = schema.datamodel.enums.find((candidate) => field.kind === 'enum' && candidate.name === field.type)
  const column = enumeration
    ? { sqlType: quote(blocks.get(enumeration.name)?.schema, enumeration.dbName ?? enumeration.name) }
    : describeColumn(field.type, field.nativeType)
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
    const why = explainRefusal(field.type, field.nativeType)
    refuse(`${model.name}.${field.name}`, `${why}; change the type of the column, or leave it out by ${omitOption(model, field)}`)
    return described
  }
  const declaration = blocks.get(model.name)?.fields.get(field.name) ?? ''
  const defaultValue = describeDefault(model.name, described, field.default, declaration, refuse)
  return { ...described, ...(defaultValue ? { default: defaultValue } : {}), ...(field.isUpdatedAt ? { updatedAt: true } : {}) }
}

function refuseKeyField(model: DMMF.Model, field: Field, refuse: Refuse): void {
  if (!field.list && KEY_TYPES.has(field.type)) return
  const type = `${field.type}${field.list ? '[]' : ''}`
  refuse(`${model.name}.${field.name}`, `a key of type ${type} has no single text; use another type for the key, or leave the model out`)
}

/** The DMMF does not show them: an insert could not fill them, and a cached row would lack them. */
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

/** What an insert does not name gets the database's default, or null. */
function refuseOmitted(model: DMMF.Model, field: DMMF.Field, key: readonly string[], refuse: Refuse): void {
  const subject = `${model.name}.${field.name}`
  const isMadeByPrisma = typeof field.default === 'object' && 'name' in field.default && MADE_BY_PRISMA.has(field.default.name)
  if (key.includes(field.name)) refuse(subject, 'is of the key, without which a record has no name; take it out of `omit`')
  else if (field.isUpdatedAt || isMadeByPrisma)
    refuse(
      subject,
      'is filled in by Prisma, and has no default of the database that does the same, so that a write could not leave it out; take it out of `omit`',
    )
  else if (field.isRequired && !field.isList && !field.hasDefaultValue)
    refuse(
      subject,
      'is required and has no default of the database, so that an insert could not leave it out; take it out of `omit`, make it optional, or give it one',
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

/** Two values of a key that differ in case only would be one row, and two records. */
function refuseCaseless(model: DMMF.Model, field: DMMF.Field, refuse: Refuse): void {
  if (field.nativeType?.[0] !== 'Citext') return
  const why = field.isList
    ? 'the driver gives no lists of it'
    : 'PostgreSQL compares the values without regard to case, which a key cannot have'
  refuse(`${model.name}.${field.name}`, `@db.Citext is not supported here: ${why}; change the type of the column, or leave the model out`)
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

/** As Prisma's client names it. */
function delegateName(model: string): string {
  return model.charAt(0).toLowerCase() + model.slice(1)
}
