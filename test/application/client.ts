import { PrismaPg } from '@prisma/adapter-pg'
import { PrismaClient } from '../../generated/application/client/client.js'

export type Client = Connection['db']
type Connection = Awaited<ReturnType<typeof connect>>

/** The only file that changes when the application gets a cache. It then becomes extended-client.ts. */
export async function connect(databaseUrl: string) {
  const db = new PrismaClient({ adapter: new PrismaPg({ connectionString: databaseUrl }) })
  return { db, close: () => db.$disconnect() }
}
