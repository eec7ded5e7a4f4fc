import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Redis } from 'ioredis'

/**
 * Runs something while this thread has one core and Redis has the others, as if Redis ran on another machine. If they share a core, the kernel
 * sometimes lets one of them wait for the time slice of the other (3 ms), and the bench would measure that wait. This takes Linux, `taskset` and
 * two cores. Where it is not possible, this function says so and runs all the same.
 */
export async function withCoresOfTheirOwn<T>(redis: Redis, run: () => Promise<T>): Promise<T> {
  const threads = [String(process.pid), serverOf(await redis.info('server'))]
  const cores = allowedCores()
  const [first = '', ...others] = cores
  if (others.length === 0 || !allow(threads[0], [first]) || !allow(threads[1], others))
    console.error('This process and Redis share their cores, so latencies scatter more. Separate cores take Linux, taskset and two cores.')
  try {
    return await run()
  } finally {
    for (const thread of threads) allow(thread, cores)
  }
}

function serverOf(info: string): string | undefined {
  return /process_id:(\d+)/.exec(info)?.[1]
}

/** Lists the cores that this process may use. Empty where the system does not say. */
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

/** Moves the first thread of a process to these cores. It is the thread that runs JavaScript in Node, and commands in Redis. */
function allow(thread: string | undefined, cores: readonly string[]): boolean {
  return thread !== undefined && cores.length > 0 && spawnSync('taskset', ['-c', '-p', cores.join(), thread]).status === 0
}
