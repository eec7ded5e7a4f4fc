/** An application that was there before: it passes its own tests, whatever its client is made of. */
import { describe } from 'vitest'
import { createApp } from './application/app.js'
import { connect } from './application/client.js'
import { testApplication } from './application/suite/suite.js'
import { createMigratedDatabase } from './fixture.js'

const MIGRATIONS = new URL('application/prisma/migrations/', import.meta.url)

describe('with plain Prisma', () => {
  testApplication(async () => {
    const database = await createMigratedDatabase(MIGRATIONS)
    const { db, close } = await connect(database.url)
    return {
      app: createApp(db),
      close: async () => {
        await close()
        await database.drop()
      },
    }
  })
})
