import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Client } from 'pg'

const FOLDER = new URL('../../prisma/migrations/', import.meta.url)

/** Any number, the same in every process. */
const LOCK = 7_302_411

/**
 * What `prisma migrate deploy` does, without its engine, which is a download: the migrations in the folder (by default prisma/migrations),
 * in order, unless they were applied.
 */
export async function applyMigrations(databaseUrl: string, folder: URL = FOLDER): Promise<void> {
  const client = new Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    await client.query('select pg_advisory_lock($1)', [LOCK])
    if (await hasLedger(client)) return
    for (const sql of await readMigrations(folder)) await client.query(sql)
  } finally {
    await client.end()
  }
}

async function hasLedger(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ found: boolean }>(`select to_regclass('write_behind_ledger') is not null as found`)
  return rows[0]?.found ?? false
}

async function readMigrations(folder: URL): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  return Promise.all(names.sort().map((name) => readFile(new URL(join(name, 'migration.sql'), folder), 'utf8')))
}
