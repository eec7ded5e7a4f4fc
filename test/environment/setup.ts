import type { TestProject } from 'vitest/node'
import { startEnvironment } from './environment.js'

declare module 'vitest' {
  export interface ProvidedContext {
    redisUrl: string
    databaseUrl: string
  }
}

/** One environment for all test files: `inject('redisUrl')`, `inject('databaseUrl')`. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const environment = await startEnvironment()
  project.provide('redisUrl', environment.redisUrl)
  project.provide('databaseUrl', environment.databaseUrl)
  return environment.stop
}
