/** One way to break the library, which some test has to notice. */
export interface Mutant {
  /** What is broken, in a few words: the name of the mutant in the report. */
  readonly breaks: string
  readonly edits: readonly Edit[]
  /** The test file that has to fail. */
  readonly test: string
}

export interface Edit {
  readonly file: string
  /** A text that the file contains exactly once. */
  readonly find: string
  readonly replace: string
}

/** A mutant that needs one edit. `test` is a path below test/, `file` is a path below src/. */
export function mutant(breaks: string, test: string, file: string, find: string, replace: string): Mutant {
  return { breaks, test: `test/${test}.test.ts`, edits: [{ file: `src/${file}`, find, replace }] }
}
