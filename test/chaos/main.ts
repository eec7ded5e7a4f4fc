import { HARMS } from './checker.js'
import { runInNamespace } from './disk.js'
import { measure } from './measure.js'
import { type ChaosOptions, HELP, parseOptions } from './options.js'
import { Run } from './run.js'

/** After the result the process should end by itself within this many ms. */
const END_TIMEOUT = 15_000

/** Resolves to the exit code. */
async function chaos(options: ChaosOptions): Promise<number> {
  const say = (line: string) => (options.json ? process.stderr : process.stdout).write(`${line}\n`)
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => (interrupted.signal.aborted ? process.exit(130) : interrupted.abort()))
  if (options.measure !== undefined) {
    const { figures, isGood } = await measure(options.measure, options, say)
    console.log(JSON.stringify(figures))
    return isGood ? 0 : 1
  }
  const tally = await Run.run(options, say, interrupted.signal)
  const verdict = tally.verdict(options.seed)
  console.log(JSON.stringify(verdict))
  return verdict.stuck === 0 && HARMS.every((harm) => verdict[harm] === 0) ? 0 : 1
}

async function run(options: ChaosOptions): Promise<number> {
  return (await runInNamespace()) ?? chaos(options)
}

function options(): ChaosOptions | undefined | Error {
  try {
    return parseOptions(process.argv.slice(2))
  } catch (error) {
    return error as Error
  }
}

/** Ends the process by force when something keeps it alive, and names what does: a leak of the library or of the chaos. */
function endLater(): void {
  const end = () => {
    console.error(`the process did not end by itself; these keep it alive: ${process.getActiveResourcesInfo().join(', ')}`)
    process.exit(process.exitCode || 1)
  }
  setTimeout(end, END_TIMEOUT).unref()
}

const given = options()
if (given === undefined) console.log(HELP)
else if (given instanceof Error) {
  console.error(`${given.message}\nTry --help.`)
  process.exitCode = 2
} else {
  process.exitCode = await run(given).catch((error) => {
    console.error(error)
    return 1
  })
  endLater()
}
