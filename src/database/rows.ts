import { type RecordChange, textsOf } from '../schema/change.js'
import type { CopiedChange } from '../schema/copy.js'
import type { Field } from '../schema/model.js'
import { ArrayLiteral } from './array-literal.js'
import { arrayType } from './columns.js'

export interface RowColumn {
  readonly field: Field
  /** Its name in the rows. */
  readonly alias: string
}

/** The rows of one shape of change on their way into the statement: an array a column, the key's first, then those of the change's texts. */
export class Rows {
  readonly #columns: readonly RowColumn[]
  readonly #arrays: readonly ArrayLiteral[]

  constructor(columns: readonly RowColumn[], keepsZone: boolean) {
    this.#columns = columns
    this.#arrays = columns.map(({ field }) => new ArrayLiteral(field, keepsZone))
  }

  /** Of columns. */
  get width(): number {
    return this.#columns.length
  }

  add(key: readonly string[], change: RecordChange | CopiedChange): void {
    this.#addTexts(0, key)
    if ('copy' in change) this.#addCopies(key.length, change)
    else this.#addTexts(key.length, textsOf(change))
  }

  /** The columns' parameters. */
  arrays(): string[] {
    return this.#arrays.map(String)
  }

  /**
   * A FROM item. The planner is not to see how many rows they are: for thousands it would rather read the whole table. Functions of a FROM
   * clause would be stored before they are read, those of a SELECT list are not.
   * @param first number of the parameters
   */
  from(first: number): string {
    const elements = this.#columns.map(({ field, alias }, n) => `unnest((select $${first + n}::${arrayType(field)})) as ${alias}`)
    return `(select ${elements.join(', ')}) r`
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
