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
  for (const [script, lua] of TEXTS) redis.defineCommand(`writeBehind_${script}`, { numberOfKeys: 1, lua })
  return redis as Redis & Commands
}

/** The constants of the stored format, by name: see format.lua. */
const CONSTANTS = new Map(
  [...readLua('include/format').matchAll(/^local ([A-Z_]+) = (.+)$/gm)].map(([, name, value]) => [name as string, value as string]),
)

/** Read once, because each connection defines all of them. */
const TEXTS = SCRIPTS.map((script) => [script, assemble(script)] as const)

/** The text of a script, with the texts of `lua/include` where it names them, and the values of the constants where it names those. */
function assemble(name: string): string {
  const text = readLua(name).replace(/^ *-- include ([\w-]+)$/gm, (_, included) => assemble(`include/${included}`))
  return text.replace(/\b[A-Z][A-Z_]+\b/g, (word) => CONSTANTS.get(word) ?? word)
}

function readLua(name: string): string {
  return readFileSync(new URL(`./lua/${name}.lua`, import.meta.url), 'utf8')
}
