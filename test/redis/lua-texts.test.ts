/** The scripts as applications get them: one text each, without comments, with the includes and the constants in it. */
import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { LUA } from '../../src/redis/lua-texts.js'
import { createRedis } from '../fixture.js'

test('there is a text for each script', () => {
  const files = readdirSync(new URL('../../src/redis/lua/', import.meta.url)).filter((file) => file.endsWith('.lua'))
  expect(Object.keys(LUA).map((name) => `${name}.lua`)).toEqual(files.sort())
})

test.each(Object.entries(LUA))('%s is whole, and Redis takes it', async (_, text) => {
  const { redis, clean } = createRedis()
  expect(text).toMatch(/^#!lua/)
  expect(text).not.toMatch(/^\s*--|include |\b(DUE_END|SINCE|STATE|MAX_PACKED)\b/m)
  await redis.script('LOAD', text)
  await clean()
})
