/** The Lua scripts, as commands of a connection. */
import { readFileSync } from 'node:fs'
import type { Redis } from 'ioredis'

const SCRIPTS = [
  'write',
  'claim',
  'acknowledge',
  'split',
  'park',
  'forgive',
  'reindex',
  'read',
  'load',
  'pending',
  'due',
  'status',
  'hold',
  'share',
] as const
type Script = (typeof SCRIPTS)[number]
type Arguments = readonly (string | number | Buffer)[]
export type Commands = {
  [S in `writeBehind_${Script}`]: (prefix: string, ...args: Arguments) => Promise<unknown>
} & {
  writeBehind_claimBuffer(prefix: string, ...args: Arguments): Promise<ClaimedReply | [null, number | null, number, 1 | null]>
}

/** The batch's fields, as claim.lua returns them. */
export type ClaimedReply = [
  id: Buffer,
  previous: Buffer | null,
  writes: Buffer,
  keys: Buffer,
  changes: Buffer,
  traces: Buffer | null,
  tries: number,
  reasons: Buffer | null | undefined,
]

export function defineScripts(redis: Redis): Redis & Commands {
  for (const script of SCRIPTS) redis.defineCommand(`writeBehind_${script}`, { numberOfKeys: 1, lua: readScript(script) })
  return redis as Redis & Commands
}

/** The text of a script, with the texts of `lua/include` where it names them. */
function readScript(name: string): string {
  const text = readFileSync(new URL(`./lua/${name}.lua`, import.meta.url), 'utf8')
  return text.replace(/^ *-- include ([\w-]+)$/gm, (_, included) => readScript(`include/${included}`))
}
