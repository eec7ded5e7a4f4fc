import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { freePort } from './environment/server.js'
import { createDatabase, createRedis, type TestDatabase } from './fixture.js'

const VIEWS = 50

const { namespace, clean } = createRedis()
const services: ChildProcess[] = []
let database: TestDatabase

beforeAll(async () => {
  database = await createDatabase()
})

afterAll(async () => {
  for (const service of services) service.kill('SIGKILL')
  await clean()
  await database.drop()
})

test.each(['express', 'fastify', 'nest'])(
  'the service behind %s counts, reads its own writes, and leaves nothing behind when it ends',
  async (name) => {
    const { url, stop } = await start(name)
    const count = (path: string) => fetch(`${url}/pages/${path}/views`, { method: 'POST' })
    const answers = await Promise.all(Array.from({ length: VIEWS }, () => count(name)))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]))
    expect(await (await fetch(`${url}/pages/${name}`)).json()).toEqual({ path: name, views: VIEWS })
    expect(await (await fetch(`${url}/pages/nobody`)).json()).toEqual({ path: 'nobody', views: 0 })
    expect(await (await fetch(`${url}/health`)).json()).toMatchObject([{ model: 'PageView', parked: 0 }])

    const refused = await count('%00')
    expect(refused.status).toBe(400)
    expect(await refused.json()).toEqual({ error: expect.stringContaining('PageView.path: expected text without the NUL character') })

    expect(await stop()).toEqual({ code: 0, said: expect.stringContaining('stopped; 0 records stay dirty') })
    expect(await database.query('select views::int from page_views where path = $1', [name])).toEqual([{ views: VIEWS }])
  },
)

/** Resolves when the service answers. */
async function start(name: string): Promise<{ url: string; stop(): Promise<{ code: number | null; said: string }> }> {
  const port = await freePort()
  const servers = { REDIS_URL: inject('redisUrl'), DATABASE_URL: database.url, NAMESPACE: `${namespace}-${name}` }
  const service = spawn(process.execPath, ['--import', 'tsx', `examples/${name}/service.ts`], {
    env: { ...process.env, ...servers, PORT: String(port) },
  })
  services.push(service)
  let said = ''
  for (const stream of [service.stdout, service.stderr]) stream.on('data', (text) => (said += text))
  const ended = once(service, 'exit')
  const url = `http://127.0.0.1:${port}`
  await expect.poll(() => answers(url).catch(() => service.exitCode !== null && said), { timeout: 20_000 }).toBe(true)
  return {
    url,
    stop: async () => {
      service.kill('SIGTERM')
      const [code] = await ended
      return { code, said }
    },
  }
}

async function answers(url: string): Promise<boolean> {
  return (await fetch(`${url}/health`)).ok
}
