/** The steps in which each command is made to fail. */
import type { Store } from '../../src/redis/store.js'
import { DEEDS, deletes, increment, incrementTwo, sets, upserts } from './operations.js'
import type { Play, Write } from './play.js'

/** Resolves to the step, or to undefined when the state does not allow it. */
export type Step = (play: Play) => Promise<((store: Store) => Promise<unknown>) | undefined>

const batchSteps: Readonly<Record<string, Step>> = {
  acknowledge: async (play) => {
    if (!(await inFlight(play))) return undefined
    const batch = await play.persist()
    return (store) => play.acknowledge(batch, store)
  },
  split: async (play) => {
    if (!(await inFlight(play))) return undefined
    const { id } = await play.void()
    return (store) => store.split(play.prefix, id, play.newId(), [0], ['reason'])
  },
  park: async (play) => {
    if (!(await inFlight(play))) return undefined
    const { id } = await play.void()
    return (store) => store.park(play.prefix, id, ['reason'], play.newId())
  },
}

const MANY = ['a', 'b', ...Array.from({ length: 38 }, (_, n) => `n${n}`)]

const WRITES: Readonly<Record<string, readonly Write[]>> = {
  ...Object.fromEntries(DEEDS.map((deed): [string, Write[]] => [deed.name, [['a', deed]]])),
  'writes of several runs': [
    ['c', increment],
    ['a', increment],
    ['b', sets],
    ['d', deletes],
    ['a', sets],
    ['e', upserts],
    ['b', incrementTwo],
  ],
  'writes of many records': MANY.map((key) => [key, increment]),
}

const writeSteps: Readonly<Record<string, Step>> = Object.fromEntries(
  Object.entries(WRITES).flatMap(([name, writes]): [string, Step][] => [
    [name, async (play) => (store) => play.writeInVain(store, ...writes)],
    [`${name}, sent again`, async (play) => (store) => play.writeLosingReply(store, ...writes)],
  ]),
)

export const STEPS: Readonly<Record<string, Step>> = {
  ...writeSteps,
  ...batchSteps,
  'claim of what is due': async (play) => (store) => play.claim(store, { due: 8e12 }),
  'claim of what was written': async (play) => (store) => play.claim(store),
  'claim of named records': async (play) => (store) => play.claim(store, { keys: [play.path('b'), play.path('a')] }),
  load: async (play) => (store) => play.load('a', store),
  hold: async (play) => (store) => store.hold(play.prefix, 'another', 60_000, [play.path('a'), play.path('b')]),
  release: async (play) => (store) => store.release(play.prefix, 'hold', [play.path('a')]),
  invalidate: async (play) => (store) => store.invalidate(play.prefix, [play.path('a'), play.path('b')]),
  'hold of all': async (play) => (store) => store.hold(play.prefix, 'another', 60_000),
  'look for what is not in the index': async (play) => (store) => store.reindex(play.prefix, 'packed', '0', 100),
  read: async (play) => (store) => store.read(play.prefix, play.newId(), 1000, ['views'], [play.path('a')]),
}

/** Claims a batch if none is in flight. Resolves to true when there is a batch then. */
async function inFlight(play: Play): Promise<boolean> {
  return (await play.claim()) !== undefined
}
