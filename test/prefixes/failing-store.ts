import type { Redis } from 'ioredis'
import { Store } from '../../src/redis/store.js'

/** The error of a command that fails for the test. */
export const INJECTED = 'NOPERM injected'

/**
 * Is put before a script. It counts the script's commands down from the number in the key 'fail', and lets the last one fail. It then sets the key
 * 'failed', even if the script continues.
 */
const COUNTER = `
local redis = (function(real)
  local left = tonumber(real.call('GET', KEYS[1] .. 'fail') or '0')
  local function counted(call, raise)
    return function(...)
      left = left - 1
      if left ~= 0 then return call(...) end
      real.call('SET', KEYS[1] .. 'failed', '1')
      if raise then error({ err = '${INJECTED}' }) end
      return { err = '${INJECTED}' }
    end
  end
  return setmetatable({ call = counted(real.call, true), pcall = counted(real.pcall, false) }, { __index = real })
end)(redis)
`

/** Creates a store in whose scripts any command can be made to fail, see `fail`. */
export function createFailingStore(redis: Redis): Store {
  const define = redis.defineCommand.bind(redis)
  redis.defineCommand = (name, { lua, numberOfKeys = 1, readOnly }) => {
    const [flags, ...rest] = (lua as string).split('\n')
    const counts = !(flags as string).includes('no-writes')
    define(name, { lua: counts ? [flags, COUNTER, ...rest].join('\n') : (lua as string), numberOfKeys, readOnly: readOnly ?? false })
  }
  return new Store(redis)
}

/** Makes a command fail in the script that is called next on the shard. @param command is its number; 0 means none */
export async function fail(redis: Redis, prefix: string, command: number): Promise<void> {
  await redis.pipeline().set(`${prefix}fail`, command).del(`${prefix}failed`).exec()
}

export async function hasFailed(redis: Redis, prefix: string): Promise<boolean> {
  const [, [, failed]] = (await redis.pipeline().del(`${prefix}fail`).getdel(`${prefix}failed`).exec()) as [
    [null, number],
    [null, string | null],
  ]
  return failed !== null
}
