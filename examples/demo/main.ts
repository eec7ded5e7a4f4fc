import { access, constants } from 'node:fs/promises'
import { runDemo } from './demo.js'
import { HELP, parseOptions, UsageError, wrong } from './options.js'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2))
  if (options === undefined) {
    console.log(HELP)
    return 0
  }
  if (options.log !== undefined) await mustBeReadable(options.log)
  const given = { redisUrl: process.env.REDIS_URL, databaseUrl: process.env.DATABASE_URL }
  return (await runDemo(options, given, endingSignal())) ? 0 : 1
}

async function mustBeReadable(log: string): Promise<void> {
  await access(log, constants.R_OK).catch(() => {
    throw wrong('--log', 'a file that can be read', log)
  })
}

/** The first signal ends the input, the second the process. */
function endingSignal(): AbortSignal {
  const controller = new AbortController()
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(130)
      console.error(`${signal}: the input ends, and the demo drains, compares and reports; send the signal again to exit at once`)
      controller.abort()
    })
  }
  return controller.signal
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(error instanceof UsageError ? `${error.message}\nTry --help.` : error)
  process.exitCode = error instanceof UsageError ? 2 : 1
}
