import { type RecordChange, textsOf } from '../../change/change.js'
import type { CopiedChange } from '../../change/copy.js'
import type { Field } from '../../model/model.js'
import { ArrayLiteral, elementText } from './array-literal.js'
import { arrayType } from './columns.js'

export interface RowColumn {
  readonly field: Field
  /** Its name in the rows. */
  readonly alias: string
}

/** PostgreSQL takes 1,664 columns of a row source. Those of a row that has more travel as one array a row, from this one on. */
const MAX_COLUMNS = 1500
const WIDE = 'w'

/** The rows of one shape of change on their way into the statement: an array a column, the key's first, then those of the change's texts. */
export class Rows {
  readonly #columns: readonly RowColumn[]
  readonly #arrays: readonly ArrayLiteral[]
  /** The columns that have no array of their own, and the array of their arrays. */
  readonly #rest: readonly RowColumn[]
  readonly #wide: ArrayLiteral | undefined

  constructor(columns: readonly RowColumn[], keepsZone: boolean) {
    this.#columns = columns.slice(0, MAX_COLUMNS)
    this.#arrays = this.#columns.map(({ field }) => new ArrayLiteral(field, keepsZone))
    this.#rest = columns.slice(MAX_COLUMNS)
    this.#wide = this.#rest.length > 0 ? new ArrayLiteral({ type: 'String', list: false }, keepsZone) : undefined
  }

  /** Of parameters. */
  get width(): number {
    return this.#columns.length + (this.#wide === undefined ? 0 : 1)
  }

  add(key: readonly string[], change: RecordChange | CopiedChange): void {
    if (this.#wide !== undefined) this.#addWide([...key, ...('copy' in change ? copiedTexts(change) : textsOf(change))], this.#wide)
    else {
      this.#addTexts(0, key)
      if ('copy' in change) this.#addCopies(key.length, change)
      else this.#addTexts(key.length, textsOf(change))
    }
  }

  /** The parameters. */
  arrays(): string[] {
    return [...this.#arrays, ...(this.#wide === undefined ? [] : [this.#wide])].map(String)
  }

  /**
   * A FROM item. The planner is not to see how many rows they are: for thousands it would rather read the whole table. Functions of a FROM
   * clause would be stored before they are read, those of a SELECT list are not.
   * @param first number of the parameters
   */
  from(first: number): string {
    const elements = this.#columns.map(({ field, alias }, n) => `unnest((select $${first + n}::${arrayType(field)})) as ${alias}`)
    if (this.#wide !== undefined) elements.push(`unnest((select $${first + this.#columns.length}::text[]))::text[] as ${WIDE}`)
    return `(select ${elements.join(', ')}) r`
  }

  /** What a column of the FROM item is called. */
  valueOf(alias: string): string {
    const position = this.#rest.findIndex((column) => column.alias === alias)
    if (position < 0) return `r.${alias}`
    return `(r.${WIDE})[${position + 1}]::${arrayType((this.#rest[position] as RowColumn).field).slice(0, -'[]'.length)}`
  }

  #addWide(texts: readonly string[], wide: ArrayLiteral): void {
    for (let n = 0; n < MAX_COLUMNS; n++) this.#array(n).add(texts[n] as string)
    const row = new ArrayLiteral({ type: 'String', list: false })
    for (const [n, { field }] of this.#rest.entries())
      row.add(elementText(texts[MAX_COLUMNS + n] as string, field.type === 'DateTime', field.list))
    wide.add(row.toString())
  }

  #addTexts(column: number, texts: readonly string[]): void {
    for (let n = 0; n < texts.length; n++) this.#array(column + n).add(texts[n] as string)
  }

  #addCopies(column: number, { copy, texts: { bytes, bounds }, first }: CopiedChange): void {
    for (let n = 0; n < copy.places.length; n++) {
      const place = copy.places[n]
      const at = 2 * (first + n)
      if (place !== undefined) this.#array(column + place).copy(bytes, bounds[at] as number, bounds[at + 1] as number)
    }
    for (const { place, text } of copy.constants) this.#array(column + place).add(text)
  }

  #array(column: number): ArrayLiteral {
    return this.#arrays[column] as ArrayLiteral
  }
}

/** In the order of textsOf. */
function copiedTexts({ copy, texts: { bytes, bounds }, first }: CopiedChange): string[] {
  const texts: string[] = []
  for (const [n, place] of copy.places.entries()) {
    const at = 2 * (first + n)
    if (place !== undefined) texts[place] = bytes.toString('utf8', bounds[at], bounds[at + 1])
  }
  for (const { place, text } of copy.constants) texts[place] = text
  return texts
}
