/**
 * What a user gets: the packed library in a project of its own. `npm run package` installs it by npm, as users do; `npm test` links the
 * packages of this repository instead, which spares the time.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RedisServer, startRedis } from './environment/redis.js'
import { createDatabase, type TestDatabase } from './fixture.js'
import { type Install, Project, pack, run } from './package/project.js'
import { Service } from './service.js'

const INSTALL = (process.env.INSTALL ?? 'links') as Install
const NEEDED = ['prisma', '@prisma/client', '@prisma/adapter-pg', 'bullmq', 'ioredis', 'typescript', '@types/node']
const NEST = ['@nestjs/common', '@nestjs/core', '@nestjs/platform-express', 'reflect-metadata', 'rxjs', 'express', '@types/express']
const DASHBOARD = ['@bull-board/api', '@bull-board/express', 'express']

const PRISMA_CONFIG = `import { defineConfig } from 'prisma/config'
export default defineConfig({ schema: 'schema.prisma' })
`
const SCHEMA = `generator client {
  provider = "prisma-client"
  output   = "generated/client"
}

datasource db {
  provider = "postgresql"
}
`

const DASHBOARD_ENTRY = `import { Dashboard } from 'write-behind/dashboard'
const dashboard = new Dashboard({ cache: { queues: [], status: async () => [], parked: async () => [] }, port: 0 })
const { status } = await fetch(\`\${await dashboard.start()}/status\`)
await dashboard.stop()
if (status !== 200) throw new Error(String(status))
`

const projects: Project[] = []
let folder: string
let tarball: string
let redis: RedisServer
let database: TestDatabase
let servers: { REDIS_URL: string; DATABASE_URL: string }

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'write-behind-package-test-'))
  ;[tarball, redis, database] = await Promise.all([pack(folder), startRedis(), createDatabase()])
  servers = { REDIS_URL: redis.url, DATABASE_URL: database.url }
})

afterAll(async () => {
  await Promise.all(projects.map((project) => project.remove()))
  await rm(folder, { recursive: true, force: true })
  await redis.stop()
  await database.drop()
})

describe('the packed library', () => {
  test('has exports and types that Node, TypeScript and bundlers find', async () => {
    await run('publint', ['run', tarball, '--strict'])
    await run('attw', [tarball, '--profile', 'node16'])
  })

  test('runs the first example of README.md in an empty project', async () => {
    const project = await create(NEEDED)
    await project.write('main.ts', await block('README.md', 'ts'))
    await project.build()
    expect(await project.run('node', ['dist/main.js'], servers)).toContain('views: 1000n')
    expect(await project.run('node', ['-p', `typeof require('write-behind').createWriteBehind`])).toBe('function\n')
    expect(await database.query('select views::int from page_views')).toEqual([{ views: 1000 }])
  })

  test('runs a NestJS application, and a dashboard beside it', async () => {
    const project = await create([...NEEDED, ...NEST, ...DASHBOARD])
    await project.write('dashboard.ts', DASHBOARD_ENTRY)
    for (const file of await readdir('examples/nest')) {
      const source = await readFile(join('examples/nest', file), 'utf8')
      await project.write(file, source.replaceAll('../../src/index.js', 'write-behind').replaceAll('../../generated/', './generated/'))
    }
    await project.build()
    const service = await Service.start(['dist/service.js'], servers, project.folder)
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

/** A project with the schema of README.md, and the client generated from it. */
async function create(packages: readonly string[]): Promise<Project> {
  const project = await Project.create(tarball, packages, INSTALL)
  projects.push(project)
  const ours = await block('README.md', 'prisma')
  const [pageView] = /^model PageView \{.*?^\}/ms.exec(await readFile('prisma/schema.prisma', 'utf8')) ?? []
  await project.write('schema.prisma', [SCHEMA, ours.replace('../generated', 'generated'), pageView].join('\n'))
  await project.write('prisma.config.ts', PRISMA_CONFIG)
  return project
}

/** The first block of code in a language. */
async function block(file: string, language: string): Promise<string> {
  const [, indent = '', code = ''] = new RegExp(`^( *)\`\`\`${language}\n(.*?)^ *\`\`\``, 'ms').exec(await readFile(file, 'utf8')) ?? []
  return code.replaceAll(new RegExp(`^${indent}`, 'gm'), '')
}
