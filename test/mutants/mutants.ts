/** All mutants. A file of rooms/ has those of one room of src/, or of a part of a large room. */
import type { Mutant } from './mutant.js'
import { DASHBOARD } from './rooms/dashboard.js'
import { DATABASE } from './rooms/database.js'
import { EXTENSION } from './rooms/extension.js'
import { FLUSH } from './rooms/flush.js'
import { FLUSH_QUEUE } from './rooms/flush-queue.js'
import { LUA_COMPOSE } from './rooms/lua-compose.js'
import { LUA_FLUSH } from './rooms/lua-flush.js'
import { LUA_READ } from './rooms/lua-read.js'
import { LUA_WRITE } from './rooms/lua-write.js'
import { MODEL } from './rooms/model.js'
import { READ } from './rooms/read.js'
import { REDIS } from './rooms/redis.js'
import { START } from './rooms/start.js'
import { WRITE } from './rooms/write.js'

export const MUTANTS: readonly Mutant[] = [
  ...DASHBOARD,
  ...DATABASE,
  ...EXTENSION,
  ...FLUSH,
  ...FLUSH_QUEUE,
  ...LUA_COMPOSE,
  ...LUA_FLUSH,
  ...LUA_READ,
  ...LUA_WRITE,
  ...MODEL,
  ...READ,
  ...REDIS,
  ...START,
  ...WRITE,
]
