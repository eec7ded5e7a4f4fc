/** States that a shard may be in when a script fails. Each has a record `a`, mostly with a row of 100 views, and neighbours. */
import type { Batch } from '../../src/redis/replies.js'
import {
  both,
  createsIf,
  type Deed,
  deletes,
  increment,
  incrementTwo,
  raises,
  type State,
  sets,
  setsCounter,
  upserts,
  upsertsElse,
} from './operations.js'
import type { Play } from './play.js'

export type Preparation = (play: Play) => Promise<void>

const ROW: State = { views: 100n, lastStatus: 7 }

/** Begins with or without a row, and with or without a cached row. Then makes the writes, each in a call of its own. */
function written(row: State, isViewed: boolean, ...deeds: Deed[]): Preparation {
  return async (play) => {
    play.begin('a', row)
    play.begin('b', ROW)
    if (isViewed) await play.load('a')
    for (const deed of deeds) await play.write(['a', deed])
    if (deeds.length > 0) await play.write(['b', increment])
  }
}

function then(first: Preparation, next: Preparation): Preparation {
  return async (play) => {
    await first(play)
    await next(play)
  }
}

const claims: Preparation = async (play) => void (await play.claim())
const writes =
  (...deeds: Deed[]): Preparation =>
  async (play) => {
    for (const deed of deeds) await play.write(['a', deed])
  }
const parks: Preparation = async (play) => {
  const { id, size } = (await play.void()) as Batch
  await play.store.park(
    play.prefix,
    id,
    Array.from({ length: size }, (_, n) => `reason ${n}`),
    play.newId(),
  )
}
const splits: Preparation = async (play) => {
  const { id } = (await play.void()) as Batch
  await play.store.split(play.prefix, id, play.newId())
}
const splitsLess: Preparation = async (play) => {
  const { id } = (await play.void()) as Batch
  await play.store.split(play.prefix, id, play.newId(), [0], ['reason'])
}

/** Makes this many records dirty. One of them is `a`. */
const many =
  (records: number): Preparation =>
  async (play) => {
    const keys = ['a', ...Array.from({ length: records - 1 }, (_, n) => `m${n}`)]
    for (let from = 0; from < keys.length; from += 400)
      await play.write(...keys.slice(from, from + 400).map((key) => [key, increment] as const))
  }

export const STATES: Readonly<Record<string, Preparation>> = {
  clean: written(ROW, false),
  'clean, viewed': written(ROW, true),
  'clean, missing, viewed': written(null, true),
  packed: written(ROW, false, increment),
  'packed, viewed': written(ROW, true, both),
  'packed, missing, viewed': written(null, true, increment),
  hash: written(ROW, false, increment, incrementTwo),
  'hash, viewed': written(ROW, true, sets, increment),
  'hash of a set': written(ROW, true, sets, setsCounter),
  'hash of sets and increments': written(null, false, increment, sets, setsCounter, incrementTwo),
  bounds: written(ROW, true, increment, raises),
  'bounds of a missing row': written(null, false, raises, increment),
  deleted: written(ROW, true, increment, deletes),
  replaced: written(ROW, true, deletes, upserts),
  created: written(null, true, createsIf),
  'set aside': written(ROW, false, both, upsertsElse),
  claimed: then(written(ROW, true, increment), claims),
  'claimed, written again': then(then(written(ROW, true, increment), claims), writes(increment)),
  'claimed, a hash again': then(then(written(null, false, incrementTwo, increment), claims), writes(sets, increment)),
  'claimed, deleted': then(then(written(ROW, true, increment), claims), writes(deletes)),
  split: then(written(ROW, true, increment), splits),
  'set apart': then(then(written(ROW, true, increment), splitsLess), writes(increment)),
  parked: then(written(ROW, true, increment), parks),
  'parked, written again': then(then(written(ROW, true, increment), parks), writes(sets)),
  'parked, deleted': then(then(written(ROW, false, increment), parks), writes(deletes)),
  held: then(written(ROW, true, increment), async (play) => void (await play.store.hold(play.prefix, 'hold', 60_000, [play.path('a')]))),
  'after an epoch': then(written(ROW, true, increment), async (play) => {
    await play.store.hold(play.prefix, 'hold', 60_000)
    await play.store.release(play.prefix, 'hold')
    await play.load('a')
  }),
}

const WRITES_OF_MANY = [
  'writes of several runs',
  'writes of several runs, sent again',
  'writes of many records',
  'writes of many records, sent again',
]
const CLAIMS_OF_MANY = ['acknowledge', 'claim of what is due', 'claim of named records']

/**
 * Redis stores the index and the changes as hash tables from the 33rd record on, and scripts cut lists of a thousand. The states leave other steps out,
 * because those have one or more commands for each record.
 */
export const STATES_OF_MANY: Readonly<Record<string, { prepare: Preparation; steps: readonly string[] }>> = {
  'almost a table': { prepare: many(32), steps: [...WRITES_OF_MANY, ...CLAIMS_OF_MANY] },
  'a table': { prepare: many(40), steps: [...WRITES_OF_MANY, ...CLAIMS_OF_MANY] },
  'of thousands of records': { prepare: many(2100), steps: ['claim of what is due'] },
}
