/** The process under test. It kills or stops itself at its failpoint, and prints how far it has come. */
import { writeSync } from 'node:fs'
import { PrismaPg } from '@prisma/adapter-pg'
import { Redis } from 'ioredis'
import { PrismaClient } from '../../generated/client/client.js'
import { Failpoint, installFailpoints, withFailpoint } from './failpoints.js'
import { playSubject } from './subject.js'

export interface ChildArguments {
  readonly databaseUrl: string
  readonly redisUrl: string
  readonly namespace: string
  readonly point: string
  readonly signal: 'SIGKILL' | 'SIGSTOP'
}

function say(line: string): void {
  writeSync(1, `${line}\n`)
}

async function main({ databaseUrl, redisUrl, namespace, point, signal }: ChildArguments): Promise<void> {
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: databaseUrl }) })
  const redis = new Redis(redisUrl, { maxRetriesPerRequest: null })
  installFailpoints()
  const failpoint = new Failpoint(point, () => {
    say('hit 0')
    process.kill(process.pid, signal)
  })
  const journal = { begun: (round: number) => say(`begun ${round}`), done: (round: number) => say(`done ${round}`) }
  await withFailpoint(failpoint, () => playSubject({ prisma, redis, namespace }, journal, () => false))
  redis.disconnect()
  await prisma.$disconnect()
}

await main(JSON.parse(process.argv[2] as string) as ChildArguments)
