/** `npm start`: a worker and the dashboard in one process. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { describe, expect, inject, test, vi } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { createWriteBehind } from '../../src/index.js'
import { startRedis } from '../environment/redis.js'
import { createDatabase, createRedis } from '../fixture.js'
import { ending, NEVER, send, useDashboards } from './stage.js'

useDashboards()

const SERVICE_TIMEOUT = 60_000

describe('npm start', () => {
  test.each([
    [{ REDIS_URL: '' }, 'REDIS_URL: expected a URL like redis://127.0.0.1:6379, got none'],
    [{ DATABASE_URL: '' }, 'DATABASE_URL: expected a URL like postgresql://user:password@127.0.0.1:5432/database, got none'],
    [{ PORT: 'http' }, 'PORT: expected a number below 65536, got "http"'],
    [{ HOST: '0.0.0.0' }, 'expected credentials with a host that is not loopback'],
  ])('with %j it says what is wrong and ends', async (environment, message) => {
    const { namespace, clean } = createRedis()
    ending.push(clean)
    const service = startService({ NAMESPACE: namespace, PORT: '0', ...environment })
    await expect(service.line(message)).resolves.toContain(message)
    expect(await service.exit).toBe(1)
  })

  test.each(['SIGINT', 'SIGTERM'] as const)('runs worker and dashboard, and on %s flushes and ends with 0', async (signal) => {
    const database = await createDatabase()
    ending.push(() => database.drop())
    const { redis, namespace, clean } = createRedis()
    ending.push(clean)
    const service = startService({ NAMESPACE: namespace, DATABASE_URL: database.url, PORT: '0' })
    const [url = ''] = /http:\S+/.exec(await service.line('the dashboard is at')) ?? []

    const policies = { counter: { debounce: 10 }, pageView: { debounce: NEVER, maxWait: NEVER } }
    const application = await createWriteBehind({ prisma: database.prisma, redis, models, policies, namespace })
    await application.counter.increment({ name: 'seen' }, { value: 1 })
    await expect.poll(() => database.query('select value from "Counter"')).toEqual([{ value: '1' }])
    expect((await send(`${url}/queues`)).status).toBe(200)
    expect(JSON.parse((await send(`${url}/status`)).body).models).toHaveLength(Object.keys(models).length)

    await application.pageView.increment({ path: '/late' }, { views: 2 })
    service.kill(signal)
    service.kill(signal)
    expect(await service.line('stopped')).toContain('stopped after it flushed 1 record(s); 0 record(s) stay dirty')
    expect(await service.exit).toBe(0)
    expect(await database.query('select views from page_views')).toEqual([{ views: '2' }])
    await application.close()
  })

  test('ends, even if a server hangs or is gone', async () => {
    const database = await createDatabase()
    ending.push(() => database.drop())
    const redis = await startRedis()
    ending.push(() => redis.stop())
    const { namespace, clean } = createRedis()
    ending.push(clean)
    const withoutRedis = startService({ REDIS_URL: redis.url, DATABASE_URL: database.url, PORT: '0' })
    const withoutTable = startService({ NAMESPACE: namespace, DATABASE_URL: database.url, PORT: '0' })
    const [url = ''] = /http:\S+/.exec(await withoutRedis.line('the dashboard is at')) ?? []
    await withoutTable.line('the dashboard is at')

    await redis.kill('SIGKILL')
    await expect.poll(() => send(`${url}/queues/api/queues`)).toMatchObject({ status: 503, body: expect.stringContaining('/status') })
    const application = await createWriteBehind({
      prisma: database.prisma,
      redis: createRedis().redis,
      models,
      policies: { counter: {} },
      namespace,
    })
    await database.query('begin')
    await database.query("set local lock_timeout = '30s'")
    await database.query('lock table "Counter" in exclusive mode')
    await application.counter.increment({ name: 'held' }, { value: 1 })
    await application.close({ deadline: 0 })
    withoutRedis.kill('SIGTERM')
    expect(await withoutRedis.line('stopped')).toContain('Redis did not say how many records stay dirty')
    expect(await withoutRedis.exit).toBe(0)
    // One after the other, because Redis has only a second to say what is left.
    withoutTable.kill('SIGTERM')
    expect(await withoutTable.line('stopped')).toContain('stopped after it flushed 0 record(s); 1 record(s) stay dirty')
    expect(await withoutTable.exit).toBe(0)
    await database.query('rollback')
  })

  function startService(environment: NodeJS.ProcessEnv) {
    const given = { REDIS_URL: inject('redisUrl'), DATABASE_URL: inject('databaseUrl'), HOST: '', ...environment }
    const child = spawn(process.execPath, ['--import', 'tsx', 'dashboard/main.ts'], {
      env: { ...process.env, DASHBOARD_USER: '', DASHBOARD_PASSWORD: '', ...given },
      stdio: ['ignore', 'inherit', 'pipe'],
    })
    const exit = once(child, 'exit').then(([code]) => code as number | null)
    ending.push(async () => {
      child.kill('SIGKILL')
      await exit
    })
    const lines: string[] = []
    createInterface(child.stderr).on('line', (line) => lines.push(line))
    const find = (part: string): string => {
      const line = lines.find((each) => each.includes(part))
      if (line === undefined) throw new Error(`expected a line with "${part}", got:\n${lines.join('\n')}`)
      return line
    }
    return {
      exit,
      kill: (signal: NodeJS.Signals) => child.kill(signal),
      /** Resolves to the line of stderr that contains this, as soon as it comes. */
      line: (part: string) => vi.waitFor(() => find(part), { timeout: SERVICE_TIMEOUT }),
    }
  }
})
