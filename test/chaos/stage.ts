import { cp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { Client } from 'pg'
import { applyMigrations } from '../environment/migrations.js'
import { type PostgresServer, startPostgres } from '../environment/postgres.js'
import { type RedisServer, startRedis } from '../environment/redis.js'
import { freePort } from '../environment/server.js'
import { until } from '../until.js'
import type { Query } from './audit.js'
import { canMount, fill, free, mount, unmount } from './disk.js'
import { Poison } from './poison.js'
import { TcpProxy } from './proxy.js'
import { SecondApplication } from './second-application.js'

const NAMESPACE = 'chaos'
const AOF = 'appendonlydir'
const REPLICATION_TIMEOUT = 30_000
const RESTART_ATTEMPTS = 20
const DISK_TIMEOUT = 30_000
/** Redis tries again every second to write its AOF. */
const AOF_RETRY = 1500
/** The children have a Redis user of their own, whose rights can be taken away. */
const USER = 'application'
const PASSWORD = 'chaos'
const FAILOVER_TIMEOUT = 10_000

/** The servers, each behind a proxy. This process connects to the servers directly, the children through the proxies. */
export class Stage {
  readonly namespace = NAMESPACE
  readonly postgres: PostgresServer
  readonly redisProxy: TcpProxy
  readonly postgresProxy: TcpProxy
  readonly poison = new Poison(this)
  readonly #second: SecondApplication
  readonly #databaseUrl: string
  /** Earlier primaries, which are replicas now. */
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

  /** The URL for the children, through the proxy. */
  get redisUrl(): string {
    return `redis://${USER}:${PASSWORD}@127.0.0.1:${this.redisProxy.port}`
  }

  /** The URL for the children, through the proxy. */
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

  /** Starts both servers if they are down, and ends all disturbances of the network. */
  async heal(): Promise<void> {
    await Promise.all([this.startRedis(), this.startPostgres()])
    this.redisProxy.heal()
    this.postgresProxy.heal()
  }

  /** Starts Redis after a kill. Tries again, because processes of the dead server may hold the port for a moment. */
  async startRedis(): Promise<void> {
    if (!isRunning(this.#server)) await again(() => this.#server.restart())
  }

  async startPostgres(): Promise<void> {
    if (!isRunning(this.postgres)) await again(() => this.postgres.restart())
  }

  /**
   * Fills the disk of Redis until `ended` resolves. When this resolves, Redis has written everything that the full disk did not take. It has rewritten
   * its AOF too, because Redis 7.0.15 once left an AOF after a full disk that it could not read at its next start.
   */
  async fillRedisDisk(ended: () => Promise<void>): Promise<void> {
    if (!canMount) return
    await fill(this.#server.folder)
    await ended()
    await free(this.#server.folder)
    // Redis may have given up because of its disk.
    await this.startRedis()
    await this.#untilRedisSays('aof_last_write_status:ok')
    await sleep(AOF_RETRY)
    await this.#untilRedisSays('aof_rewrite_in_progress:0')
    // Redis refuses this while a rewrite runs that it has begun by itself, which serves as well.
    await this.#redis.bgrewriteaof().catch(() => {})
    await this.#untilAofIsRewritten()
  }

  #untilAofIsRewritten(): Promise<void> {
    return this.#untilRedisSays('aof_rewrite_in_progress:0', 'aof_rewrite_scheduled:0', 'aof_last_bgrewrite_status:ok')
  }

  async #untilRedisSays(...words: string[]): Promise<void> {
    const isSaid = async () => {
      const information = await this.#redis.info('persistence')
      return words.every((word) => information.includes(word))
    }
    await until(`INFO of Redis to say ${words}`, DISK_TIMEOUT, isSaid)
  }

  /** Copies the AOF of Redis. Resolves to the folder of the copy. */
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

  /** Kills Redis, and starts it again with the data of the copy. */
  async putBackRedis(copy: string): Promise<void> {
    await this.#server.kill('SIGKILL')
    await rm(join(this.#server.folder, AOF), { recursive: true })
    await cp(copy, join(this.#server.folder, AOF), { recursive: true })
    await rm(copy, { recursive: true })
    await this.startRedis()
  }

  /** Changes the rights of the children's user. @param rule such as `-zadd` */
  async allow(rule: string): Promise<void> {
    await this.#redis.acl('SETUSER', USER, rule)
  }

  /** Starts an application with another database, which must be refused. @throws Error when it is let into the namespace */
  letInSecond(): Promise<void> {
    return this.#second.tryToStart(this.#server.url)
  }

  /**
   * Lets a replica take over without a loss. The old primary becomes its replica, and keeps the sockets of its clients. Resolves when the new primary
   * has its data on disk, because it rewrites its AOF after it has synchronised, and a kill before that would lose everything.
   */
  async failOver(): Promise<void> {
    const replica = await this.startReplica()
    const redis = connect(replica)
    // The primary of an earlier failover may be a replica of this one, too.
    const online = new RegExp(`^slave\\d+:.*port=${replica.port},state=online`, 'm')
    const isOnline = async () => online.test(await this.#redis.info('replication'))
    await until('the replica to be online', FAILOVER_TIMEOUT, isOnline)
    await this.#redis.call('FAILOVER', 'TO', '127.0.0.1', replica.port, 'TIMEOUT', FAILOVER_TIMEOUT)
    const hasTakenOver = async () => (await redis.info('replication')).includes('role:master')
    await until('the replica to take over', 2 * FAILOVER_TIMEOUT, hasTakenOver)
    this.#retired.push(this.#server)
    this.#redis.disconnect()
    this.#server = replica
    this.#redis = redis
    this.redisProxy.target = replica.port
    await this.#untilAofIsRewritten()
  }

  /** Ends the earlier primaries, and with them the sockets that their clients have kept. */
  async stopRetired(): Promise<void> {
    await Promise.all(this.#retired.splice(0).map(stopRedis))
  }

  /** Starts a replica. Resolves when it has all data and its link to the primary is up. */
  async startReplica(): Promise<RedisServer> {
    const replica = await startRedisOnDisk()
    const redis = connect(replica)
    await redis.replicaof('127.0.0.1', this.#server.port)
    const deadline = Date.now() + REPLICATION_TIMEOUT
    while (!(await redis.info('replication')).includes('master_link_status:up')) {
      if (Date.now() > deadline) throw new Error(`the replica was not synchronised within ${REPLICATION_TIMEOUT} ms`)
      await sleep(20)
    }
    redis.disconnect()
    return replica
  }

  /** Kills Redis, and makes the replica the primary. */
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

/** Starts Redis on a disk of its own, where that is possible. */
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
