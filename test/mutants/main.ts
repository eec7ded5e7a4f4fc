/** `npm run mutants [words]` breaks the library in every known way, one at a time, and shows which test fails. */
import { execFile } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { startEnvironment } from '../environment/environment.js'
import type { Mutant } from './mutant.js'
import { MUTANTS } from './mutants.js'
import { Tree } from './tree.js'

const AT_A_TIME = 2
const MAX_DURATION = 300_000

interface Verdict {
  readonly mutant: Mutant
  /** The test that failed. Undefined means that no test noticed the mutant. */
  readonly caughtBy: string | undefined
  /** Why the mutant could not be tried. Undefined when it was tried. */
  readonly problem: string | undefined
}

interface TestReport {
  readonly testResults: readonly { readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[] }[]
}

async function judge(mutant: Mutant, tree: Tree, env: NodeJS.ProcessEnv): Promise<Verdict> {
  try {
    tree.break(mutant.edits)
    const caughtBy = await firstFailure(mutant.test, tree, env)
    return { mutant, caughtBy, problem: undefined }
  } catch (error) {
    return { mutant, caughtBy: undefined, problem: (error as Error).message }
  } finally {
    tree.mend(mutant.edits)
  }
}

/** Runs one test file until its first failure. @throws Error when it did not run at all */
async function firstFailure(test: string, tree: Tree, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const output = join(tree.path, 'report.json')
  rmSync(output, { force: true })
  const options = ['--bail', '1', '--testTimeout', '40000', '--reporter', 'json', '--outputFile', output]
  await run(['node_modules/vitest/vitest.mjs', 'run', test, ...options], tree.path, env)
  if (!existsSync(output)) throw new Error(`${test} did not end within ${MAX_DURATION / 1000} s`)
  const report = JSON.parse(readFileSync(output, 'utf8')) as TestReport
  const results = report.testResults.flatMap(({ assertionResults }) => assertionResults)
  const failed = results.find(({ status }) => status === 'failed')
  if (failed === undefined && !results.some(({ status }) => status === 'passed')) throw new Error(`${test} ran no test`)
  return failed === undefined ? undefined : failed.fullName
}

function run(args: string[], cwd: string, env: NodeJS.ProcessEnv): Promise<void> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd, env, timeout: MAX_DURATION, maxBuffer: 2 ** 28 }, () => resolve())
  })
}

/** Checks that the tests pass without a mutant, because a test that fails anyhow catches nothing. */
async function checkUnbroken(mutants: readonly Mutant[], env: NodeJS.ProcessEnv): Promise<void> {
  const tree = new Tree()
  try {
    for (const test of new Set(mutants.map((each) => each.test))) {
      const failed = await firstFailure(test, tree, env)
      if (failed !== undefined) throw new Error(`expected the tests to pass without a mutant, but this one fails: ${failed}`)
    }
  } finally {
    tree.remove()
  }
}

function print({ mutant, caughtBy, problem }: Verdict): void {
  const verdict = caughtBy === undefined ? `✗ ${problem ?? 'NOT CAUGHT'}` : `✓ ${caughtBy}`
  console.log(`${mutant.breaks}\n    ${mutant.test}: ${verdict}`)
}

async function main(words: string): Promise<void> {
  const started = performance.now()
  const environment = await startEnvironment()
  const env = {
    ...process.env,
    REDIS_URL: environment.redisUrl,
    DATABASE_URL: environment.databaseUrl,
    RUNS: process.env.RUNS ?? '100',
    POLL_TIMEOUT: '8000',
  }
  const waiting = MUTANTS.filter(({ breaks, test }) => `${breaks} ${test}`.includes(words))
  const total = waiting.length
  let caught = 0
  await checkUnbroken(waiting, env)
  const work = async () => {
    const tree = new Tree()
    try {
      for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
        const verdict = await judge(mutant, tree, env)
        print(verdict)
        if (verdict.caughtBy !== undefined) caught++
      }
    } finally {
      tree.remove()
    }
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, work))
  await environment.stop()
  console.log(`\n${caught} of ${total} mutants were caught, in ${Math.round((performance.now() - started) / 1000)} s`)
  process.exitCode = total > 0 && caught === total ? 0 : 1
}

await main(process.argv.slice(2).join(' '))
