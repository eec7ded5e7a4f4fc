import { readFileSync } from 'node:fs'

interface Ticks {
  readonly all: number
  readonly stolen: number
}

/**
 * From now on: which share of the time of this machine's cores, from 0 to 1, its host gives to other machines. Linux counts it in hundredths
 * of a second; 0 elsewhere, and where the machine is nobody's guest.
 */
export function watchStolen(): () => number {
  const before = ticks()
  return () => {
    const { all, stolen } = ticks()
    return (stolen - before.stolen) / Math.max(1, all - before.all)
  }
}

/** The first line of /proc/stat: "cpu", then user, nice, system, idle, iowait, irq, softirq, steal; what follows is part of user. */
function ticks(): Ticks {
  if (process.platform !== 'linux') return { all: 0, stolen: 0 }
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n', 1)
  const kinds = line.split(/\s+/).slice(1, 9).map(Number)
  return { all: kinds.reduce((sum, each) => sum + each, 0), stolen: kinds[7] ?? 0 }
}
