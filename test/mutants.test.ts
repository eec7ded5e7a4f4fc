import { existsSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { MUTANTS } from './mutants/mutants.js'

it.each(MUTANTS)('can still be made: $breaks', ({ edits, test }) => {
  expect(existsSync(test)).toBe(true)
  for (const { file, find } of edits) expect(readFileSync(file, 'utf8').split(find), `${find} once in ${file}`).toHaveLength(2)
})

it('is one mutant for each name', () => {
  const names = MUTANTS.map(({ breaks }) => breaks)
  expect(names.filter((name, n) => names.indexOf(name) < n)).toEqual([])
})
