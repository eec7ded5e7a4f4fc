/** The tests of the application. They speak HTTP to it. They know neither Prisma nor what stands between Prisma and the database. */
import type { Express } from 'express'
import { afterAll, beforeAll } from 'vitest'
import { testActivity } from './activity.js'
import { testPosts } from './posts.js'
import { testUsers } from './users.js'
import { Visitor } from './visitor.js'

/** @param open opens the application, and resolves to it and to a function that ends it */
export function testApplication(open: () => Promise<{ app: Express; close(): Promise<void> }>): void {
  const visitor = new Visitor()
  let close: () => Promise<void>

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    await visitor.open(opened.app)
  })

  afterAll(async () => {
    await visitor.close()
    await close()
  })

  testUsers(visitor)
  testPosts(visitor)
  testActivity(visitor)
}
