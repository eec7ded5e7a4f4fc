import { readFileSync } from 'node:fs'

interface Ticks {
  readonly all: number
  readonly stolen: number
}

/**
 * Watches, from now on, which share of this machine's core time its host gives to other machines. The returned function tells the share, from 0 to 1.
 * Linux counts it in hundredths of a second. The share is 0 on other systems, and on a machine without a host.
 */
export function watchStolen(): () => number {
  const before = ticks()
  return () => {
    const { all, stolen } = ticks()
    return (stolen - before.stolen) / Math.max(1, all - before.all)
  }
}

/** The first line of /proc/stat is "cpu", then user, nice, system, idle, iowait, irq, softirq and steal. The numbers after that are part of user. */
function ticks(): Ticks {
  if (process.platform !== 'linux') return { all: 0, stolen: 0 }
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n', 1)
  const kinds = line.split(/\s+/).slice(1, 9).map(Number)
  return { all: kinds.reduce((sum, each) => sum + each, 0), stolen: kinds[7] ?? 0 }
}
