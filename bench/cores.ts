import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Redis } from 'ioredis'

/**
 * Runs something while this thread has a core, and Redis another, as if Redis ran on a machine of its own. Otherwise the kernel lets one of
 * them wait, now and then, for the time slice of the other (3 ms), and that is what is measured. Where it cannot be had (it takes Linux,
 * `taskset` and two cores) it says so, and runs all the same.
 */
export async function withCoresOfTheirOwn<T>(redis: Redis, run: () => Promise<T>): Promise<T> {
  const threads = [String(process.pid), serverOf(await redis.info('server'))]
  const cores = allowedCores()
  const [first = '', ...others] = cores
  if (others.length === 0 || !allow(threads[0], [first]) || !allow(threads[1], others))
    console.error('This process and Redis share their cores: giving them their own takes Linux, taskset and two cores.')
  try {
    return await run()
  } finally {
    for (const thread of threads) allow(thread, cores)
  }
}

function serverOf(info: string): string | undefined {
  return /process_id:(\d+)/.exec(info)?.[1]
}

/** Of this process; none where the system does not say. */
function allowedCores(): string[] {
  try {
    const list = /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? ''
    return list.split(',').flatMap((range) => {
      const [from = 0, to = from] = range.split('-').map(Number)
      return Array.from({ length: to - from + 1 }, (_, n) => String(from + n))
    })
  } catch {
    return []
  }
}

/** Of a process the first thread: that is the one that runs JavaScript, or commands. */
function allow(thread: string | undefined, cores: readonly string[]): boolean {
  return thread !== undefined && cores.length > 0 && spawnSync('taskset', ['-c', '-p', cores.join(), thread]).status === 0
}
