/**
 * Reads from the text of the schema what Prisma's DMMF leaves out: which "models" are views, the fields that the client does not have (`@ignore`,
 * `Unsupported`), the database schema of an enum, and decimals with more digits than a double. The reader does not have to check the text, because
 * Prisma has validated it: each declaration has a line of its own.
 */

export interface Block {
  readonly kind: 'model' | 'view' | 'enum' | 'type'
  /** `@@schema("…")`. */
  readonly schema: string | undefined
  /** Name → the text after it: `String? @map("x") @ignore`. */
  readonly fields: ReadonlyMap<string, string>
}

const STRING = '"(?:\\\\.|[^"\\\\])*"'
const STRING_OR_COMMENT = new RegExp(`${STRING}|//[^\\n]*|/\\*[^]*?\\*/`, 'g')
const BLOCK = new RegExp(`^[ \\t]*(model|view|enum|type)\\s+([\\w-]+)\\s*\\{((?:${STRING}|[^"}])*)\\}`, 'gm')

export function readBlocks(schema: string): ReadonlyMap<string, Block> {
  const text = schema.replace(STRING_OR_COMMENT, (match) => (match.startsWith('"') ? match : ''))
  const blocks = new Map<string, Block>()
  for (const [, kind, name = '', body = ''] of text.matchAll(BLOCK)) {
    const lines = body
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '')
    blocks.set(name, {
      kind: kind as Block['kind'],
      schema: /^@@schema\(\s*(?:map:\s*)?"(.*)"\s*\)/m.exec(lines.join('\n'))?.[1],
      fields: new Map(lines.filter((line) => !line.startsWith('@@')).map(splitName)),
    })
  }
  return blocks
}

/** The numbers in `@default(…)`, as they are written. */
export function readDefaultNumbers(declaration: string): string[] {
  const [, written = ''] = /@default\(([^)]*)\)/.exec(declaration) ?? []
  return written.match(/-?\d+(?:\.\d+)?/g) ?? []
}

function splitName(line: string): [name: string, declaration: string] {
  const [name = ''] = /^[\w-]+/.exec(line) ?? []
  return [name, line.slice(name.length).trim()]
}
