import { cp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { Client } from 'pg'
import { applyMigrations } from '../environment/migrations.js'
import { type PostgresServer, startPostgres } from '../environment/postgres.js'
import { type RedisServer, startRedis } from '../environment/redis.js'
import { freePort } from '../environment/server.js'
import type { Query } from './audit.js'
import { canMount, fill, free, mount, unmount } from './disk.js'
import { Poison } from './poison.js'
import { TcpProxy } from './proxy.js'
import { SecondApplication } from './second-application.js'
import { until } from './until.js'

const NAMESPACE = 'chaos'
const AOF = 'appendonlydir'
const REPLICATION_TIMEOUT = 30_000
const RESTART_ATTEMPTS = 20
const DISK_TIMEOUT = 30_000
/** Redis tries again every second. */
const AOF_RETRY = 1500
/** The children have a user of their own, whose rights can be taken away. */
const USER = 'application'
const PASSWORD = 'chaos'
const FAILOVER_TIMEOUT = 10_000

/** The servers, and a proxy before each. This process speaks to the servers themselves, the children through the proxies. */
export class Stage {
  readonly namespace = NAMESPACE
  readonly postgres: PostgresServer
  readonly redisProxy: TcpProxy
  readonly postgresProxy: TcpProxy
  readonly poison = new Poison(this)
  readonly #second: SecondApplication
  readonly #databaseUrl: string
  /** Primaries of before, which are replicas now. */
  readonly #retired: RedisServer[] = []
  #server: RedisServer
  #redis: Redis

  private constructor(server: RedisServer, postgres: PostgresServer, databaseUrl: string, secondUrl: string) {
    this.#server = server
    this.#redis = connect(server)
    this.postgres = postgres
    this.#databaseUrl = databaseUrl
    this.#second = new SecondApplication(secondUrl, NAMESPACE)
    this.redisProxy = new TcpProxy(server.port, 'evalsha')
    this.postgresProxy = new TcpProxy(postgres.port, 'with fence')
  }

  static async start(): Promise<Stage> {
    const [server, postgres] = await Promise.all([startRedisOnDisk(), startPostgres()])
    const databaseUrl = await postgres.createDatabase('chaos')
    const secondUrl = await postgres.createDatabase('second')
    await Promise.all([applyMigrations(databaseUrl), applyMigrations(secondUrl)])
    const stage = new Stage(server, postgres, databaseUrl, secondUrl)
    await stage.redisProxy.start(await freePort())
    await stage.postgresProxy.start(await freePort())
    return stage
  }

  get redis(): Redis {
    return this.#redis
  }

  get redisServer(): RedisServer {
    return this.#server
  }

  /** For the children. */
  get redisUrl(): string {
    return `redis://${USER}:${PASSWORD}@127.0.0.1:${this.redisProxy.port}`
  }

  /** For the children. */
  get databaseUrl(): string {
    const url = new URL(this.#databaseUrl)
    url.port = String(this.postgresProxy.port)
    return url.toString()
  }

  readonly query: Query = async <T extends object>(sql: string) => {
    const client = new Client({ connectionString: this.#databaseUrl })
    client.on('error', () => {})
    await client.connect()
    try {
      return (await client.query(sql)).rows as T[]
    } finally {
      await client.end()
    }
  }

  /** Brings both servers up if they are down, and clears the network. */
  async heal(): Promise<void> {
    await Promise.all([this.startRedis(), this.startPostgres()])
    this.redisProxy.heal()
    this.postgresProxy.heal()
  }

  /** After a kill. A port may be taken for a moment by what the dead server left. */
  async startRedis(): Promise<void> {
    if (!isRunning(this.#server)) await again(() => this.#server.restart())
  }

  async startPostgres(): Promise<void> {
    if (!isRunning(this.postgres)) await again(() => this.postgres.restart())
  }

  /**
   * Until `ended`, nothing can be written to Redis' disk; what Redis could not write until then, it has written when this resolves. The
   * file is rewritten then: Redis 7.0.15 has left one, after a full disk, that it could not read at its next start.
   */
  async fillRedisDisk(ended: () => Promise<void>): Promise<void> {
    if (!canMount) return
    await fill(this.#server.folder)
    await ended()
    await free(this.#server.folder)
    // It may have given up over its disk.
    await this.startRedis()
    await this.#untilRedisSays('aof_last_write_status:ok')
    await sleep(AOF_RETRY)
    await this.#untilRedisSays('aof_rewrite_in_progress:0')
    // One that has begun by itself meanwhile will do.
    await this.#redis.bgrewriteaof().catch(() => {})
    await this.#untilRedisSays('aof_rewrite_in_progress:0', 'aof_rewrite_scheduled:0', 'aof_last_bgrewrite_status:ok')
  }

  async #untilRedisSays(...words: string[]): Promise<void> {
    const isSaid = async () => {
      const information = await this.#redis.info('persistence')
      return words.every((word) => information.includes(word))
    }
    await until(DISK_TIMEOUT, () => `Redis to say ${words}`, isSaid)
  }

  /** Copies what Redis has on disk. Resolves to the folder. */
  async copyRedis(): Promise<string> {
    const { folder } = this.#server
    const copy = join(folder, `copy-${Date.now()}`)
    for (;;) {
      const files = await readdir(join(folder, AOF))
      await cp(join(folder, AOF), copy, { recursive: true })
      if (String(await readdir(join(folder, AOF))) === String(files)) return copy
      await rm(copy, { recursive: true })
    }
  }

  /** Redis dies, and returns with what the copy holds. */
  async putBackRedis(copy: string): Promise<void> {
    await this.#server.kill('SIGKILL')
    await rm(join(this.#server.folder, AOF), { recursive: true })
    await cp(copy, join(this.#server.folder, AOF), { recursive: true })
    await rm(copy, { recursive: true })
    await this.startRedis()
  }

  /** @param rule of the children's user: `-zadd` */
  async allow(rule: string): Promise<void> {
    await this.#redis.acl('SETUSER', USER, rule)
  }

  /** An application with another database must not be let into this namespace. @throws Error if it is */
  letInSecond(): Promise<void> {
    return this.#second.tryToStart(this.#server.url)
  }

  /** A replica takes over, and loses nothing. The old primary goes on as its replica, and keeps the sockets of its clients. */
  async failOver(): Promise<void> {
    const replica = await this.startReplica()
    const redis = connect(replica)
    const isOnline = async () => /slave\d+:.*state=online/.test(await this.#redis.info('replication'))
    await until(FAILOVER_TIMEOUT, () => 'the replica to be online', isOnline)
    await this.#redis.call('FAILOVER', 'TO', '127.0.0.1', replica.port, 'TIMEOUT', FAILOVER_TIMEOUT)
    const hasTakenOver = async () => (await redis.info('replication')).includes('role:master')
    await until(2 * FAILOVER_TIMEOUT, () => 'the replica to take over', hasTakenOver)
    this.#retired.push(this.#server)
    this.#redis.disconnect()
    this.#server = replica
    this.#redis = redis
    this.redisProxy.target = replica.port
  }

  /** Ends the primaries of before, and so the sockets that their clients have kept. */
  async stopRetired(): Promise<void> {
    await Promise.all(this.#retired.splice(0).map(stopRedis))
  }

  /** A replica that has all up to now, and is being sent the rest. */
  async startReplica(): Promise<RedisServer> {
    const replica = await startRedisOnDisk()
    const redis = connect(replica)
    await redis.replicaof('127.0.0.1', this.#server.port)
    const deadline = Date.now() + REPLICATION_TIMEOUT
    while (!(await redis.info('replication')).includes('master_link_status:up')) {
      if (Date.now() > deadline) throw new Error('the replica did not come up')
      await sleep(20)
    }
    redis.disconnect()
    return replica
  }

  /** Redis dies; the replica is Redis from now on. */
  async promote(replica: RedisServer): Promise<void> {
    const old = this.#server
    await old.kill('SIGKILL')
    this.#redis.disconnect()
    this.#server = replica
    this.#redis = connect(replica)
    await this.#redis.replicaof('NO', 'ONE')
    this.redisProxy.target = replica.port
    this.redisProxy.cut()
    await stopRedis(old)
  }

  async stop(): Promise<void> {
    this.#redis.disconnect()
    await Promise.all([this.redisProxy.stop(), this.postgresProxy.stop(), this.stopRetired(), this.#second.stop()])
    await Promise.all([stopRedis(this.#server), this.postgres.stop()])
  }
}

/** On a disk of its own, where that can be. */
async function startRedisOnDisk(): Promise<RedisServer> {
  const user = ['--user', USER, 'on', `>${PASSWORD}`, '~*', '&*', '+@all']
  const server = await startRedis({ arguments: ['--auto-aof-rewrite-min-size', '16mb', ...user] })
  if (!canMount) return server
  await server.kill('SIGTERM')
  await mount(server.folder)
  await server.restart()
  return server
}

async function stopRedis(server: RedisServer): Promise<void> {
  await server.kill('SIGKILL')
  if (canMount) await unmount(server.folder)
  await server.stop()
}

function connect(server: RedisServer): Redis {
  const redis = new Redis(server.url, { maxRetriesPerRequest: null, retryStrategy: () => 50 })
  redis.on('error', () => {})
  return redis
}

export function isRunning(server: { readonly pid: number }): boolean {
  try {
    return server.pid > 0
  } catch {
    return false
  }
}

async function again(start: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start()
    } catch (error) {
      if (attempt === RESTART_ATTEMPTS) throw error
      await sleep(200)
    }
  }
}
