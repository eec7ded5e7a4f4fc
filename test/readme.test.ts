/** README.md promises things by name and number. Here each name and number is compared with the code. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ModelCache } from '../src/model-cache.js'
import { OPTION_DEFAULTS, resolvePolicy } from '../src/options.js'
import { WriteBehind } from '../src/write-behind.js'

const ROOT = join(import.meta.dirname, '..')
const README = read('README.md')
const IMAGES = 'https://raw.githubusercontent.com/write-behind/write-behind/main/'
const { engines, peerDependencies: peers, peerDependenciesMeta: optional } = JSON.parse(read('package.json'))

test('is read in ten minutes', () => {
  expect(README.trimEnd().split('\n').length).toBeLessThanOrEqual(280)
})

test('its contents name each heading, in order', () => {
  const contents = README.slice(README.indexOf('**Contents**'), README.indexOf('\n## '))
  const linked = [...contents.matchAll(/\]\(#([a-z-]+)\)/g)].map(([, anchor]) => anchor)
  const headings = [...README.matchAll(/^## (.+)$/gm)].map(([, heading = '']) =>
    heading.toLowerCase().replace(',', '').replaceAll(' ', '-'),
  )
  expect(linked).toEqual(headings)
})

test('its picture is there for light and dark pages, and has a text for those who do not see it', () => {
  const files = [...README.matchAll(/src(?:set)?="([^"]+)"/g)].map(([, address = '']) => address.replace(IMAGES, ''))
  expect(files).toEqual(['docs/images/path-dark.svg', 'docs/images/path-light.svg'])
  for (const file of files) expect(existsSync(join(ROOT, file)), file).toBe(true)
  expect(README).toMatch(/alt="[^"]{100,}"/)
})

test('its table of errors has every code, and no other', () => {
  const table = section('The errors').matchAll(/^\| ((?:`[A-Z_]+`(?:, )?)+) \|/gm)
  const named = new Set([...table].flatMap(([, codes = '']) => codes.replaceAll('`', '').split(', ')))
  const [, union = ''] = /export type ErrorCode =\n((?: {2}\| '[A-Z_]+'\n)+)/.exec(read('src/errors.ts')) ?? []
  expect([...named].sort()).toEqual([...union.matchAll(/'([A-Z_]+)'/g)].map(([, code]) => code).sort())
})

test('its table of calls has every call, and no other', () => {
  const rows = section('The calls').matchAll(/^\| ((?:`[^`]+`(?:, )?)+) \|/gm)
  const named = [...rows].flatMap(([, calls = '']) => [...calls.matchAll(/`(?:cache)?(?:\.pageView)?\.(\w+)/g)]).map(([, call]) => call)
  const members = [ModelCache.prototype, WriteBehind.prototype].flatMap((prototype) => Object.getOwnPropertyNames(prototype))
  const calls = [...new Set(members)].filter((name) => name !== 'constructor' && name !== 'stop')
  expect(named.sort()).toEqual([...calls, 'events'].sort())
})

test('names every event', () => {
  const [, map = ''] = /export interface EventMap \{\n(.*?)\n\}/s.exec(read('src/events.ts')) ?? []
  const events = [...map.matchAll(/^ {2}(\w+):/gm)].map(([, name]) => `\`${name}\``)
  const [row = ''] = /^\| `cache\.events` .*$/m.exec(README) ?? []
  expect([...row.matchAll(/`\w+`/g)].map(([name]) => name)).toEqual(events)
})

describe('its numbers are those of the code:', () => {
  const policy = resolvePolicy({ pageView: {} }, 'pageView', {})
  const [, oldest] = /^const OLDEST_VERSION = (\d+)$/m.exec(read('src/redis/server-info.ts')) ?? []
  const sentences: readonly [string, string][] = [
    ['statementTimeout', `\`statementTimeout\` (${OPTION_DEFAULTS.statementTimeout / 1000} s)`],
    ['maxRecordSize', `\`maxRecordSize\` bytes (${policy.maxRecordSize / 2 ** 20} MiB)`],
    ['viewTtl', `\`viewTtl\` (${policy.viewTtl / 1000} s)`],
    ['Redis', `Run Redis ${oldest} or later`],
    ['bullmq', `\`bullmq\` ${/^\^(\d+\.\d+)\.0$/.exec(peers.bullmq)?.[1]} or later`],
    ['ioredis', `\`ioredis\` ${/^\^(5\.\d+)\.0 \|\| \^6\.0\.0$/.exec(peers.ioredis)?.[1]} or later, or 6`],
    ['Prisma', `Prisma ${/^\^(7\.\d+)\.0$/.exec(peers['@prisma/client'])?.[1]} or later`],
    ['Node', `Node (${/^\^(20\.\d+) \|\| \^22\.12 \|\| >=24$/.exec(engines.node)?.[1]}, 22.12, 24 or later)`],
  ]
  test.each(sentences)('%s', (_, sentence) => {
    expect(README.replaceAll(/\s+/g, ' ')).toContain(sentence)
  })
})

test('what it says of BullMQ by hand is what the chaos has measured', () => {
  const [, lost, doubled] = /lose writes of ([\d,]+) of 9,000 records, and double (\d+)/.exec(README) ?? []
  expect(read('docs/reliability.md')).toContain(`| ${lost} lost, ${doubled} doubled,`)
})

test('its line that installs the library names every package that the example imports', () => {
  const [, example = ''] = /^```ts\n(.*?)^```/ms.exec(README) ?? []
  const imported = [...example.matchAll(/from '(@?[a-z][\w/-]+)'/g)].map(([, name]) => name)
  const [, line = ''] = /^npm i (.+)$/m.exec(README) ?? []
  const required = Object.keys(peers).filter((name) => !optional[name]?.optional)
  expect(line.split(' ').map((each) => each.replace(/(.)@\d+$/, '$1'))).toEqual(expect.arrayContaining([...imported, ...required]))
  expect(README).toContain('npm i -D prisma@7')
})

function section(heading: string): string {
  const start = README.indexOf(`\n## ${heading}\n`)
  return README.slice(start, README.indexOf('\n## ', start + 1))
}

function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8')
}
