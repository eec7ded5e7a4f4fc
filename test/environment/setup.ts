import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { textsOf } from '../../src/redis/lua/inline.js'
import { startEnvironment } from './environment.js'
import { applyMigrations } from './migrations.js'
import { query } from './postgres.js'

declare module 'vitest' {
  export interface ProvidedContext {
    redisUrl: string
    databaseUrl: string
    /** The name of a migrated database that nobody connects to: `create database … template …` copies it. */
    template: string
  }
}

const REDIS = join(import.meta.dirname, '../../src/redis')

/** One environment for all test files: `inject('redisUrl')`, `inject('databaseUrl')`, `inject('template')`. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  checkScripts()
  const { redisUrl, databaseUrl, stop } = await startEnvironment()
  const template = await createTemplate(databaseUrl)
  project.provide('redisUrl', redisUrl)
  project.provide('databaseUrl', databaseUrl)
  project.provide('template', template)
  return async () => {
    await query(databaseUrl, `drop database "${template}"`)
    await stop()
  }
}

/** @throws Error if a script was changed since `npm run generate` */
function checkScripts(): void {
  if (readFileSync(join(REDIS, 'lua-texts.ts'), 'utf8') !== textsOf(REDIS))
    throw new Error('src/redis/lua-texts.ts: expected the scripts of src/redis/lua, found others; run `npm run generate`')
}

/** Copying a database costs PostgreSQL a third of what it costs to make an empty one and to migrate it. */
async function createTemplate(databaseUrl: string): Promise<string> {
  const name = `template_${randomUUID().replaceAll('-', '')}`
  await query(databaseUrl, `create database "${name}"`)
  const address = new URL(databaseUrl)
  address.pathname = `/${name}`
  await applyMigrations(address.toString())
  return name
}
