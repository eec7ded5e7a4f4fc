import { existsSync } from 'node:fs'
import { Redis } from 'ioredis'
import { Client } from 'pg'
import { describe, expect, inject, test } from 'vitest'
import { startEnvironment } from './environment/environment.js'
import { applyMigrations } from './environment/migrations.js'
import { startPostgres } from './environment/postgres.js'
import { startRedis } from './environment/redis.js'

describe('a Redis started for tests', () => {
  test('appends every write to a file, evicts nothing, and is gone after stop', async () => {
    const server = await startRedis()
    const redis = new Redis(server.url)
    try {
      expect(await setting(redis, 'appendonly')).toBe('yes')
      expect(await setting(redis, 'appendfsync')).toBe('everysec')
      expect(await setting(redis, 'maxmemory-policy')).toBe('noeviction')
      expect(await setting(redis, 'bind')).toBe('127.0.0.1')
      expect(await setting(redis, 'dir')).toBe(server.folder)
    } finally {
      redis.disconnect()
      await server.stop()
    }
    expect(existsSync(server.folder)).toBe(false)
    expect(() => server.pid).toThrow('not running')
    await server.stop()
  })

  test('has its data and its port again when it is killed and restarted', async () => {
    const server = await startRedis({ arguments: ['--appendfsync', 'always'] })
    try {
      await withRedis(server.url, (redis) => redis.set('kept', 'yes'))
      const { pid } = server
      await server.kill('SIGKILL')
      expect(isRunning(pid)).toBe(false)
      await server.restart()
      expect(server.pid).not.toBe(pid)
      expect(await withRedis(server.url, (redis) => redis.get('kept'))).toBe('yes')
    } finally {
      await server.stop()
    }
  })

  test('can be stopped while it is paused', async () => {
    const server = await startRedis()
    const { pid } = server
    await server.kill('SIGSTOP')
    await server.stop()
    expect(isRunning(pid)).toBe(false)
  })
})

describe('a PostgreSQL started for tests', () => {
  test('keeps what was committed when it is killed and restarted, and is gone after stop', async () => {
    const server = await startPostgres()
    const url = await server.createDatabase('a "name"')
    await query(url, 'create table kept as select 1 as n')
    const { pid } = server
    await server.kill('SIGKILL')
    expect(isRunning(pid)).toBe(false)
    await server.restart()
    expect(await query(url, 'select n from kept')).toEqual([{ n: 1 }])
    const last = server.pid
    await server.stop()
    expect(isRunning(last)).toBe(false)
  })

  test('is configured by its options', async () => {
    const server = await startPostgres({ settings: { fsync: 'on', work_mem: '8MB' } })
    try {
      expect(await query(server.url, 'show fsync')).toEqual([{ fsync: 'on' }])
      expect(await query(server.url, 'show work_mem')).toEqual([{ work_mem: '8MB' }])
    } finally {
      await server.stop()
    }
  })
})

describe('the environment', () => {
  test('leaves servers alone that were given to it', async () => {
    const given = { redisUrl: inject('redisUrl'), databaseUrl: inject('databaseUrl') }
    const key = `environment-test:${process.pid}`
    await withRedis(given.redisUrl, (redis) => redis.set(key, 'here', 'EX', 60))
    const environment = await startEnvironment(given)
    expect(environment).toMatchObject(given)
    await environment.stop()
    expect(await withRedis(given.redisUrl, (redis) => redis.getdel(key))).toBe('here')
    expect(await query(given.databaseUrl, 'select 1 as n')).toEqual([{ n: 1 }])
  })

  test('has the tables of the migrations, and applies them once', async () => {
    const url = inject('databaseUrl')
    await applyMigrations(url)
    expect(await query(url, `select to_regclass('write_behind_ledger') is not null as found`)).toEqual([{ found: true }])
  })
})

async function withRedis<T>(url: string, use: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url)
  try {
    return await use(redis)
  } finally {
    redis.disconnect()
  }
}

async function setting(redis: Redis, name: string): Promise<unknown> {
  const reply = (await redis.config('GET', name)) as string[]
  return reply[1]
}

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
