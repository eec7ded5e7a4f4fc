/** The stored format has one owner in Lua and one in TypeScript, which say the same. */
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import * as format from '../../src/redis/format.js'

const LUA = new URL('../../src/redis/lua/', import.meta.url)
const OWNER = 'include/format.lua'

test('positions are the same for the scripts, which count from 1, and for TypeScript', () => {
  const found = readFileSync(new URL(OWNER, LUA), 'utf8').matchAll(/^local ([A-Z_]+) = (\d+)$/gm)
  const positions = Object.fromEntries([...found].map(([, name = '', value]) => [name, Number(value)]))
  for (const [name, position] of Object.entries(format)) expect(positions[name], name).toBe(name.endsWith('_END') ? position : position + 1)
})

test('no other script has a position of a packed change', () => {
  const others = readdirSync(LUA, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.lua') && file !== OWNER)
  expect(others.length).toBeGreaterThan(20)
  for (const file of others) expect(readFileSync(new URL(file, LUA), 'utf8').match(/\b(13|14|26|27|28|29)\b/g), file).toBeNull()
})
