/**
 * What a user gets: the packed library in a project of its own. `npm run package` installs it by npm, as users do, and runs all cases of
 * test/package/cases.ts; `npm test` links the packages of this repository instead, which spares the time, and runs the short ones.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RedisServer, startRedis } from './environment/redis.js'
import { createDatabase, type TestDatabase } from './fixture.js'
import { CASES } from './package/cases.js'
import { ESM, NESTJS } from './package/plans.js'
import { type Install, pack, run } from './package/project.js'
import { Workshop } from './package/workshop.js'
import { Service } from './service.js'

const INSTALL = (process.env.INSTALL ?? 'links') as Install

/** Bytes: what npm downloads, and what it writes. */
const MAX_PACKED = 150_000
const MAX_UNPACKED = 600_000

let folder: string
let packed: Awaited<ReturnType<typeof pack>>
let redis: RedisServer
let database: TestDatabase
let workshop: Workshop
/** Name of a case → a row of Markdown with the versions that were tried. */
const rows = new Map<string, string>()

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'write-behind-package-test-'))
  ;[packed, redis, database] = await Promise.all([pack(folder), startRedis(), createDatabase()])
  workshop = new Workshop(folder, packed.tarball, INSTALL, { REDIS_URL: redis.url, DATABASE_URL: database.url })
})

afterAll(async () => {
  if (INSTALL === 'npm') console.log(['| case | versions | result |', '|---|---|---|', ...rows.values()].join('\n'))
  await rm(folder, { recursive: true, force: true })
  await redis.stop()
  await database.drop()
})

describe('the packed library', () => {
  test('is small', () => {
    expect(packed.packed).toBeLessThanOrEqual(MAX_PACKED)
    expect(packed.unpacked).toBeLessThanOrEqual(MAX_UNPACKED)
  })

  test.each(CASES)('docs/compatibility.md tells of $name', async ({ name }) => {
    expect(await readFile('docs/compatibility.md', 'utf8')).toContain(`| ${name} |`)
  })

  test('has exports and types that Node, TypeScript and bundlers find', async () => {
    await run('publint', ['run', packed.tarball, '--strict'])
    await run('attw', [packed.tarball, '--profile', 'strict'])
  })

  test('loads nothing by import(), which fails under Jest', async () => {
    const { folder: project } = await workshop.project(ESM)
    for (const bundle of ['index.js', 'dashboard.js'])
      expect(await readFile(join(project, 'node_modules/write-behind/dist', bundle), 'utf8')).not.toMatch(/\bimport\(/)
  })

  test('runs the first example of README.md in an empty project', async () => {
    const project = await workshop.project(ESM)
    expect(await project.run('node', ['dist/readme.js'], { ...workshop.servers })).toContain('views: 1000n')
    expect(await database.query(`select views::int from page_views where path = '/'`)).toEqual([{ views: 1000 }])
  })

  test('runs a NestJS application, and a dashboard beside it', async () => {
    const project = await workshop.project(NESTJS)
    const service = await Service.start(['dist/service.js'], { ...workshop.servers }, project.folder)
    try {
      const views = await service.use('nest')
      await project.run('node', ['dist/dashboard.js'])
      await service.stop()
      expect(await database.query(`select views::int from page_views where path = 'nest'`)).toEqual([{ views }])
    } finally {
      service.kill()
    }
  })
})

describe('the packed library works in', () => {
  const cases = CASES.filter(({ isShort }) => isShort || INSTALL === 'npm')
  test.each(cases.map((each) => [each.name, each] as const))('%s', async (name, { plan, shown, check }) => {
    rows.set(name, `| ${name} | | fails |`)
    const project = await workshop.project(plan)
    await check(project, workshop)
    if (INSTALL === 'links') return
    const versions = await Promise.all(shown.map(async (each) => `${each.replace(/-[\d.]+$/, '')} ${await project.version(each)}`))
    rows.set(name, `| ${name} | ${versions.join(', ')} | works |`)
  })
})
