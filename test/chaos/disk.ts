/**
 * Gives each Redis a small disk of its own, which can be filled. The disks are mounted in a mount namespace of this process, so that no other
 * process sees them, and they vanish with it. This takes root on Linux. Elsewhere the chaos leaves the fault out.
 */
import { execFile, spawn, spawnSync } from 'node:child_process'
import { open, rm, statfs } from 'node:fs/promises'
import { constants } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const SIZE = '256m'
/** In blocks. */
const MARGIN = 500
const BALLAST = 'ballast'
const INSIDE = 'CHAOS_MOUNTS'

export const canMount = process.env[INSIDE] === '1'

/** Runs this program again in a mount namespace, and resolves to its exit code. Resolves to undefined when it already runs in one, or cannot. */
export async function runInNamespace(): Promise<number | undefined> {
  if (canMount || spawnSync('unshare', ['-m', 'true']).status !== 0) return undefined
  const command = ['-m', process.execPath, ...process.execArgv, ...process.argv.slice(1)]
  const child = spawn('unshare', command, { stdio: 'inherit', env: { ...process.env, [INSIDE]: '1' } })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
  return new Promise((resolve) =>
    child.on('exit', (code, signal) => resolve(signal === null ? (code ?? 1) : 128 + constants.signals[signal])),
  )
}

export async function mount(folder: string): Promise<void> {
  await run('mount', ['-t', 'tmpfs', '-o', `size=${SIZE}`, 'tmpfs', folder])
}

export async function unmount(folder: string): Promise<void> {
  await run('umount', ['-l', folder])
}

/** Fills the disk to the last block. Redis writes meanwhile, so the last blocks are taken one by one. */
export async function fill(folder: string): Promise<void> {
  const { bsize } = await statfs(folder)
  const ballast = await open(join(folder, BALLAST), 'w')
  try {
    const large = await allocate(folder, bsize)
    const block = Buffer.alloc(bsize)
    for (let n = large; ; n++) await ballast.write(block, 0, bsize, n * bsize)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  } finally {
    await ballast.close()
  }
}

/** Takes most blocks at once, and resolves to their number. If Redis has written more than the margin meanwhile, it tries again. */
async function allocate(folder: string, bsize: number): Promise<number> {
  for (;;) {
    const blocks = (await statfs(folder)).bavail - MARGIN
    if (blocks <= 0) return 0
    try {
      await run('fallocate', ['-l', String(bsize * blocks), join(folder, BALLAST)])
      return blocks
    } catch (error) {
      if (!String((error as { stderr?: string }).stderr).includes('No space left')) throw error
    }
  }
}

export async function free(folder: string): Promise<void> {
  await rm(join(folder, BALLAST), { force: true })
}
