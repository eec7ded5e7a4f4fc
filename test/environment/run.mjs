/**
 * node test/environment/run.mjs <entry.ts | command | generate | test> [arguments…]
 *
 * Runs a command of this project on a machine that may have nothing but Node: installs the npm packages and generates the Prisma client
 * when they are missing or out of date; `generate` does that in any case, and puts the Lua scripts into TypeScript. `test` checks the code and runs all tests; with arguments it runs
 * only vitest, and passes them on. Nothing but Node's own modules may be imported here.
 *
 * The command is a process group of its own, so that a Ctrl-C reaches it once, from here, however many of npm, the shell and the terminal
 * pass it on; its clean-up is awaited, and its exit code is this process's.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync, utimesSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const INSTALLED = 'node_modules/.package-lock.json'
const SCHEMAS = [
  'prisma/schema.prisma',
  'test/application/prisma/schema.prisma',
  'test/relations/prisma/schema.prisma',
  'examples/recipes/schema.prisma',
]
const GENERATED = ['generated', 'generated/application', 'generated/relations', 'generated/recipes'].flatMap((folder) => [
  `${folder}/client`,
  `${folder}/write-behind.ts`,
])
const GENERATED_FROM = [...SCHEMAS, 'src/generator']

/** A signal that comes again within this time is the same Ctrl-C, passed on by somebody else. */
const SAME_SIGNAL = 500

function main([name, ...rest]) {
  if (!name) fail('expected a command: node test/environment/run.mjs <entry.ts | command> [arguments…]')
  process.chdir(fileURLToPath(new URL('../..', import.meta.url)))
  process.env.PATH = [join(process.cwd(), 'node_modules', '.bin'), process.env.PATH].join(delimiter)

  if (!packagesAreInstalled()) installPackages()
  if (name === 'generate' || !clientIsGenerated()) generateClients()
  if (name === 'generate') return inlineScripts()
  if (name === 'test') run('sh', ['-c', rest.length === 0 ? 'npm run check && exec vitest run' : 'exec vitest run "$@"', name, ...rest])
  else if (name.endsWith('.ts')) run(process.execPath, ['--import', 'tsx', name, ...rest])
  else run(name, rest)
}

/** By content and not by date, which a checkout or a copy changes. */
function packagesAreInstalled() {
  if (!existsSync(INSTALLED)) return false
  const wanted = Object.entries(JSON.parse(readFileSync('package-lock.json', 'utf8')).packages)
  const installed = JSON.parse(readFileSync(INSTALLED, 'utf8')).packages
  const isLeftOut = (entry) => entry.optional || entry.devOptional || entry.peer
  return wanted.every(([path, entry]) => path === '' || (path in installed ? installed[path].version === entry.version : isLeftOut(entry)))
}

function installPackages() {
  const npm = process.env.npm_execpath ? [process.execPath, process.env.npm_execpath] : ['npm']
  step('npm ci (node_modules is missing, or is not what package-lock.json says)', [
    ...npm,
    'ci',
    '--include=dev',
    '--no-audit',
    '--no-fund',
  ])
}

function clientIsGenerated() {
  return GENERATED.every(existsSync) && GENERATED_FROM.every((source) => newest(source) <= statSync('generated').mtimeMs)
}

function newest(path) {
  if (!existsSync(path)) return 0
  const status = statSync(path)
  if (!status.isDirectory()) return status.mtimeMs
  return Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name))))
}

function generateClients() {
  const begun = new Date()
  // `generate` never runs the schema engine, but looks for it, and would download it.
  const env = { PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, CHECKPOINT_DISABLE: '1', PRISMA_HIDE_UPDATE_MESSAGE: '1', ...process.env }
  for (const schema of SCHEMAS) {
    step(
      `prisma generate --schema ${schema} (asked for, missing, or older than schema or generator)`,
      ['prisma', 'generate', '--schema', schema],
      env,
    )
  }
  utimesSync('generated', begun, begun)
}

function inlineScripts() {
  step('the Lua scripts into src/redis/lua-texts.ts', [process.execPath, '--import', 'tsx', 'src/redis/lua/inline.ts'])
}

function step(title, [command, ...rest], env = process.env) {
  console.error(`write-behind: ${title}`)
  const { status, error } = spawnSync(command, rest, { stdio: ['ignore', 2, 2], env })
  if (status !== 0) fail(`this did not work: ${title}${error ? `: ${error.message}` : ''}`)
}

function run(command, rest) {
  const child = spawn(command, rest, { stdio: 'inherit', detached: true })
  child.on('error', (error) => fail(`cannot run ${command}: ${error.message}`))
  child.on('exit', (code, signal) => process.exit(signal ? 128 + constants.signals[signal] : code))
  if (child.pid) endWithThisProcess(child.pid)
  if (process.env.npm_lifecycle_event) endWithParent(child)

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']) {
    let last = Number.NEGATIVE_INFINITY
    process.on(signal, () => {
      const now = performance.now()
      if (now - last > SAME_SIGNAL) child.kill(signal)
      last = now
    })
  }
}

/** SIGKILL cannot be passed on, but it closes the pipe that this watcher reads. */
function endWithThisProcess(pid) {
  const script = `read -r _; kill -s TERM -- -${pid}`
  const watcher = spawn('sh', ['-c', script], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  watcher.on('error', () => {})
  watcher.unref()
}

/** SIGTERM to npm ends the shell that it started this process with, and goes no further. */
function endWithParent(child) {
  const parent = process.ppid
  const watch = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(watch)
    child.kill('SIGTERM')
  }, 250)
}

function fail(message) {
  console.error(`write-behind: ${message}`)
  process.exit(1)
}

main(process.argv.slice(2))
