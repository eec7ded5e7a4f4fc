import { writeFile } from 'node:fs/promises'
import { runBench } from './bench.js'
import { HELP, parseOptions, UsageError } from './options.js'
import { json, table } from './report.js'

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2))
  if (options === undefined) return console.log(HELP)
  if (options.plot !== undefined) await mustBeWritable(options.plot)
  const { figures, circumstances, plot } = await runBench(options, (line) => console.error(line))
  const print = options.json ? console.error : console.log
  print(`\n${table(figures, circumstances)}`)
  if (options.plot !== undefined && plot !== undefined) await writeFile(options.plot, plot)
  if (options.json) console.log(json(figures, circumstances))
}

/** Checks the file at once, because the plot is written minutes later. */
async function mustBeWritable(file: string): Promise<void> {
  await writeFile(file, '').catch(() => {
    throw new UsageError(`--plot: expected a file that can be written, got ${JSON.stringify(file)}`)
  })
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130))

try {
  await main()
} catch (error) {
  console.error(error instanceof UsageError ? `${error.message}\nTry --help.` : error)
  process.exit(error instanceof UsageError ? 2 : 1)
}
