/** Which dialect serves the models. */
import { expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { dialectOf } from '../../src/database/dialects.js'
import { postgresql } from '../../src/database/postgresql/dialect.js'

test('the models that the generator emits name theirs', () => {
  expect(dialectOf(Object.values(models))).toBe(postgresql)
})

test('models of another release of the generator are refused, with what to do', () => {
  const { provider: _, ...old } = models.counter
  expect(() => dialectOf([old as never])).toThrow(
    'models: expected the provider of Counter to be postgresql, got undefined; run `prisma generate`',
  )
})
