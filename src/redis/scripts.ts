/** The Lua scripts, as commands of a connection. */
import type { Redis } from 'ioredis'
import { LUA } from './lua-texts.js'

type Script = keyof typeof LUA
type Arguments = readonly (string | number | Buffer)[]
export type Commands = {
  [S in `writeBehind_${Script}`]: (prefix: string, ...args: Arguments) => Promise<unknown>
} & {
  writeBehind_claimBuffer(prefix: string, ...args: Arguments): Promise<ClaimedReply | [null, number | null, number, 1 | null]>
}

/** The fields of a batch, as claim.lua returns them. */
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
  for (const [script, lua] of Object.entries(LUA)) redis.defineCommand(`writeBehind_${script}`, { numberOfKeys: 1, lua })
  return redis as Redis & Commands
}
