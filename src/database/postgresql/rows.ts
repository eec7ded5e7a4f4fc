import { type RecordChange, textsOf } from '../../change/change.js'
import type { CopiedChange } from '../../change/copy.js'
import type { Field } from '../../model/model.js'
import { ArrayLiteral, elementText, TEXTS } from './array-literal.js'
import { arrayType, dropsZone } from './types.js'

/** A column of the rows that are passed to a statement. */
export interface RowColumn {
  readonly field: Field
  /** The name of the column in these rows. */
  readonly alias: string
}

/** PostgreSQL allows at most 1,664 columns in a row source. From this column on, all columns of a row are passed as one array. */
const MAX_COLUMNS = 1500
const WIDE = 'w'

/** The rows of one shape on their way to the statement: an array for each column. The columns of the key come first, then the texts of the change. */
export class Rows {
  readonly #columns: readonly RowColumn[]
  readonly #arrays: readonly ArrayLiteral[]
  /** The columns without an array of their own, and the array of arrays that they share. */
  readonly #rest: readonly RowColumn[]
  readonly #wide: ArrayLiteral | undefined
  readonly #keepsZone: boolean

  /** @param keepsZone see TimeZones */
  constructor(columns: readonly RowColumn[], keepsZone: boolean) {
    this.#keepsZone = keepsZone
    this.#columns = columns.slice(0, MAX_COLUMNS)
    this.#arrays = this.#columns.map(({ field }) => new ArrayLiteral(field, keepsZone))
    this.#rest = columns.slice(MAX_COLUMNS)
    this.#wide = this.#rest.length > 0 ? new ArrayLiteral(TEXTS) : undefined
  }

  /** Number of parameters. */
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
   * Makes a FROM item. It hides the number of rows from the planner, because for thousands of rows the planner would read the whole table. The
   * functions are in a SELECT list, because PostgreSQL would first store the results of functions in a FROM clause.
   * @param first number of the first parameter
   */
  from(first: number): string {
    const elements = this.#columns.map(({ field, alias }, n) => `unnest((select $${first + n}::${arrayType(field)})) as ${alias}`)
    if (this.#wide !== undefined) elements.push(`unnest((select $${first + this.#columns.length}::text[]))::text[] as ${WIDE}`)
    return `(select ${elements.join(', ')}) r`
  }

  /** An expression for a column of the FROM item. */
  valueOf(alias: string): string {
    const position = this.#rest.findIndex((column) => column.alias === alias)
    if (position < 0) return `r.${alias}`
    return `(r.${WIDE})[${position + 1}]::${arrayType((this.#rest[position] as RowColumn).field).slice(0, -'[]'.length)}`
  }

  #addWide(texts: readonly string[], wide: ArrayLiteral): void {
    for (let n = 0; n < MAX_COLUMNS; n++) this.#array(n).add(texts[n] as string)
    const row = new ArrayLiteral(TEXTS)
    for (const [n, { field }] of this.#rest.entries())
      row.add(elementText(texts[MAX_COLUMNS + n] as string, dropsZone(field, this.#keepsZone), field.list))
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

/** The texts of a copied change, in the order of textsOf. */
function copiedTexts({ copy, texts: { bytes, bounds }, first }: CopiedChange): string[] {
  const texts: string[] = []
  for (const [n, place] of copy.places.entries()) {
    const at = 2 * (first + n)
    if (place !== undefined) texts[place] = bytes.toString('utf8', bounds[at], bounds[at + 1])
  }
  for (const { place, text } of copy.constants) texts[place] = text
  return texts
}
