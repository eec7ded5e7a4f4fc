import type { TableName } from '../../model/model.js'

export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

export function qualify(schema: string | undefined, name: string): string {
  return schema === undefined ? quote(name) : `${quote(schema)}.${quote(name)}`
}

export function quoteTable({ schema, table }: TableName): string {
  return qualify(schema, table)
}
