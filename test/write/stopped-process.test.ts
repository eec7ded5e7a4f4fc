/** A process dies or stops in a direct write: what the next reads see. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, inject, test } from 'vitest'
import { resume } from '../resume.js'
import type { ChildArguments, Point } from '../strategies/child.js'
import { type Caches, connect, connection, DIRECT, database, isStored, read, row, set } from './direct.js'

describe.each(DIRECT)('a process that stops in a %s', (strategy) => {
  let child: ChildProcess

  afterEach(() => {
    child.kill('SIGKILL')
  })

  /** Resolves when the child has come to the point. */
  async function start(point: Point, signal: 'SIGKILL' | 'SIGSTOP'): Promise<void> {
    const path = fileURLToPath(new URL('../strategies/child.ts', import.meta.url))
    const { url: databaseUrl } = database
    const { namespace } = connection
    const redisUrl = inject('redisUrl')
    const args: ChildArguments = { databaseUrl, redisUrl, namespace, strategy, value: 7, point, signal }
    child = spawn(process.execPath, ['--import', 'tsx', path, JSON.stringify(args)], { stdio: ['ignore', 'pipe', 'inherit'] })
    await said('hit')
  }

  async function said(word: string): Promise<void> {
    for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) if (line === word) return
    throw new Error(`the child ended without saying ${word}`)
  }

  /** Has the hold end now, as in a minute by itself. */
  async function expire(cache: Caches): Promise<void> {
    const [hold, ...others] = await connection.redis.keys(`{${connection.namespace}/Counter*}/hold/*`)
    expect([hold, others]).toEqual([expect.stringMatching(/\/hold\//), []])
    const ttl = await connection.redis.pttl(hold as string)
    expect(ttl).toBeGreaterThan(0)
    expect(ttl).toBeLessThanOrEqual(60_000)
    expect([await isStored(cache), await isStored(cache)]).toEqual([false, false])
    await connection.redis.pexpire(hold as string, 1)
  }

  async function finish(): Promise<void> {
    const ended = once(child, 'exit')
    resume(child)
    expect(await ended).toEqual([0, null])
  }

  test('killed between hold and statement: the row is as before, and can be cached again when the hold has expired', async () => {
    const cache = await connect(strategy)
    await start('statement', 'SIGKILL')
    expect([await read(cache), await row()]).toEqual([1n, 1])
    await expire(cache)
    await expect.poll(() => isStored(cache)).toBe(true)
    expect(await read(cache)).toBe(1n)
  })

  test('killed between statement and release: no read ever sees the row as it was before', async () => {
    const cache = await connect(strategy)
    await read(cache)
    await start('release', 'SIGKILL')
    expect(await read(cache)).toBe(7n)
    await expire(cache)
    await expect
      .poll(async () => {
        expect(await read(cache)).toBe(7n)
        return isStored(cache)
      })
      .toBe(true)
    expect([await read(cache), await row()]).toEqual([7n, 7])
  })

  test.each(['hold', 'statement', 'release'] as const)(
    'before its %s, while another writes and reads: views follow the commits',
    async (point) => {
      const cache = await connect(strategy)
      await start(point, 'SIGSTOP')
      expect(await read(cache)).toBe(point === 'release' ? 7n : 1n)
      await set(cache, 2)
      expect([await read(cache), await row()]).toEqual([2n, 2])
      await finish()
      const last = point === 'release' ? 2 : 7
      expect([await row(), await read(cache), await read(cache)]).toEqual([last, BigInt(last), BigInt(last)])
    },
  )

  test('before its statement for longer than its hold lasts: drops at the end the view that was made meanwhile', async () => {
    const cache = await connect(strategy)
    await start('statement', 'SIGSTOP')
    await expire(cache)
    await expect.poll(() => isStored(cache)).toBe(true)
    expect(await read(cache)).toBe(1n)
    await finish()
    expect([await row(), await read(cache), await read(cache)]).toEqual([7, 7n, 7n])
  })

  test('before its release for longer than its hold lasts, while another writes', async () => {
    const cache = await connect(strategy)
    await start('release', 'SIGSTOP')
    await expire(cache)
    await expect.poll(() => isStored(cache)).toBe(true)
    expect(await read(cache)).toBe(7n)
    await set(cache, 2)
    await finish()
    expect([await row(), await read(cache), await read(cache)]).toEqual([2, 2n, 2n])
  })
})
