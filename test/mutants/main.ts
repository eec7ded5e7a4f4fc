/**
 * `npm run mutants [words]` breaks the library in every known way, one at a time, and shows which test fails. The test that caught a mutant
 * last runs first. The rest of its file runs only if that test passes.
 */
import { execFile } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startEnvironment } from '../environment/environment.js'
import type { Mutant } from './mutant.js'
import { MUTANTS } from './mutants.js'
import { Tree } from './tree.js'

const AT_A_TIME = 2
const MAX_DURATION = 300_000

/** Ms. A test that waits for what a mutant prevents must not wait for long. */
const HASTE = { POLL_TIMEOUT: '8000', TEST_TIMEOUT: '40000' }

/** The test that caught each mutant last, by what the mutant breaks. */
const CATCHERS_FILE = 'test/mutants/catchers.json'
const CATCHERS: Readonly<Record<string, string>> = JSON.parse(readFileSync(CATCHERS_FILE, 'utf8'))

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
  const known = CATCHERS[mutant.breaks]
  try {
    tree.break(mutant.edits)
    const hasty = { ...env, ...HASTE }
    const caughtBy =
      (known && (await firstFailure([mutant.test], tree, hasty, [known]))) ?? (await firstFailure([mutant.test], tree, hasty))
    return { mutant, caughtBy, problem: undefined }
  } catch (error) {
    return { mutant, caughtBy: undefined, problem: (error as Error).message }
  } finally {
    tree.mend(mutant.edits)
  }
}

/**
 * Runs test files until the first failure.
 * @param names the tests to run. Undefined means all tests of the files
 * @throws Error when the files did not run at all
 */
async function firstFailure(
  files: readonly string[],
  tree: Tree,
  env: NodeJS.ProcessEnv,
  names?: readonly string[],
): Promise<string | undefined> {
  const output = join(tree.path, 'report.json')
  rmSync(output, { force: true })
  const options = ['--bail', '1', '--reporter', 'json', '--outputFile', output]
  if (names !== undefined) options.push('--testNamePattern', `^(${names.map(toPattern).join('|')})$`)
  await run(['node_modules/vitest/vitest.mjs', 'run', ...files, ...options], tree.path, env, files.length * MAX_DURATION)
  if (!existsSync(output)) throw new Error(`${files.join(', ')} did not end within ${(files.length * MAX_DURATION) / 1000} s`)
  const report = JSON.parse(readFileSync(output, 'utf8')) as TestReport
  const results = report.testResults.flatMap(({ assertionResults }) => assertionResults)
  const failed = results.find(({ status }) => status === 'failed')
  if (failed === undefined && names === undefined && !results.some(({ status }) => status === 'passed'))
    throw new Error(`${files.join(', ')} ran no test`)
  return failed?.fullName
}

function toPattern(name: string): string {
  return name.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}

function run(args: string[], cwd: string, env: NodeJS.ProcessEnv, timeout: number): Promise<void> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd, env, timeout, maxBuffer: 2 ** 28 }, () => resolve())
  })
}

/** Checks that the tests pass without a mutant, because a test that fails anyhow catches nothing. */
async function checkUnbroken(mutants: readonly Mutant[], env: NodeJS.ProcessEnv): Promise<void> {
  const unknown = new Set(mutants.filter(({ breaks }) => CATCHERS[breaks] === undefined).map(({ test }) => test))
  const known = mutants.filter(({ test }) => !unknown.has(test))
  const names = known.map(({ breaks }) => CATCHERS[breaks] as string)
  const tree = new Tree()
  try {
    const failed =
      (names.length > 0 && (await firstFailure([...new Set(known.map(({ test }) => test))], tree, env, names))) ||
      (unknown.size > 0 && (await firstFailure([...unknown], tree, env)))
    if (failed) throw new Error(`expected the tests to pass without a mutant, but this one fails: ${failed}`)
  } finally {
    tree.remove()
  }
}

/** Remembers which test caught which mutant, so that the next run starts with that test. */
function rememberCatchers(verdicts: readonly Verdict[]): void {
  const found = new Map(verdicts.flatMap(({ mutant, caughtBy }) => (caughtBy === undefined ? [] : [[mutant.breaks, caughtBy]])))
  const catchers = MUTANTS.map(({ breaks }) => [breaks, found.get(breaks) ?? CATCHERS[breaks]] as const)
  writeFileSync(CATCHERS_FILE, `${JSON.stringify(Object.fromEntries(catchers), undefined, 2)}\n`)
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
  }
  const waiting = MUTANTS.filter(({ breaks, test }) => `${breaks} ${test}`.includes(words))
  const total = waiting.length
  const verdicts: Verdict[] = []
  await checkUnbroken(waiting, env)
  const work = async () => {
    const tree = new Tree()
    try {
      for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
        const verdict = await judge(mutant, tree, env)
        print(verdict)
        verdicts.push(verdict)
      }
    } finally {
      tree.remove()
    }
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, work))
  await environment.stop()
  rememberCatchers(verdicts)
  const caught = verdicts.filter(({ caughtBy }) => caughtBy !== undefined).length
  console.log(`\n${caught} of ${total} mutants were caught, in ${Math.round((performance.now() - started) / 1000)} s`)
  process.exitCode = total > 0 && caught === total ? 0 : 1
}

await main(process.argv.slice(2).join(' '))
