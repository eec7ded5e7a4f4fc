/** When a record is due: a packed change says it; the index has that time or an earlier one, so that most writes leave it alone. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { models } from '../../generated/write-behind.js'
import { Compiler } from '../../src/change/compiler.js'
import { TestShard } from '../shard.js'

const DEBOUNCE = 8000
/** How much later than it has to be a record that is written again may be due: at most an eighth of the debounce, and 100 ms. */
const SLACK = 100
const compiler = new Compiler(models.counter)
const increment = () => compiler.increment({ name: 'a' }, { value: 1 })
const bound = () => compiler.max({ name: 'a' }, { value: 5 })

let shard: TestShard

beforeEach(() => {
  shard = new TestShard('Counter')
})

afterEach(() => shard.connection.clean())

function setPolicy(debounce: number, maxWait = 5 * debounce): void {
  shard.limits = { ...shard.limits, debounce, maxWait }
}

async function due(): Promise<number> {
  const said = (await shard.store.due(shard.prefix, 'a')) as number
  const packed = await shard.connection.redis.hget(`${shard.prefix}packed`, 'a')
  if (packed !== null) expect(packed.slice(0, 13)).toBe(String(said))
  expect(await indexed()).toSatisfy((time) => (packed === null ? time === said : time <= said))
  return said
}

/** What the index says. */
async function indexed(key = 'a'): Promise<number> {
  return Number(await shard.connection.redis.zscore(`${shard.prefix}dirty`, key))
}

function claimDue(time: number, records = 10) {
  return shard.store.claim(shard.prefix, 'id', { records, bytes: 1000 }, { due: time }, DEBOUNCE)
}

/** Runs something, and says between which times of Redis' clock it ran. */
async function during(run: () => Promise<unknown>): Promise<[number, number]> {
  const before = await shard.store.now()
  await run()
  return [before, await shard.store.now()]
}

async function passTime(): Promise<void> {
  const before = await shard.store.now()
  while ((await shard.store.now()) === before);
}

test('a record is due a debounce after its first write', async () => {
  setPolicy(DEBOUNCE)
  const [before, after] = await during(() => shard.write(increment()))
  expect(await due()).toSatisfy((time) => time >= before + DEBOUNCE && time <= after + DEBOUNCE)
})

describe.each([
  ['packed', increment],
  ['a hash', bound],
])('a change that is %s', (_, operation) => {
  test('is due a debounce after its last write, or a little later', async () => {
    setPolicy(DEBOUNCE)
    for (let n = 0; n < 20; n++) {
      const [before, after] = await during(() => shard.write(operation()))
      expect(await due()).toSatisfy((time) => time >= before + DEBOUNCE && time <= after + DEBOUNCE + SLACK)
      await passTime()
    }
  })

  test('is due maxWait after its first write, however often it is written', async () => {
    setPolicy(DEBOUNCE, DEBOUNCE)
    const [before, after] = await during(() => shard.write(operation()))
    for (let n = 0; n < 5; n++) {
      await passTime()
      await shard.write(operation())
      expect(await due()).toSatisfy((time) => time >= before + DEBOUNCE && time <= after + DEBOUNCE)
    }
  })
})

test('the slack is an eighth of a short debounce, and nothing of none', async () => {
  for (const debounce of [0, 40]) {
    setPolicy(debounce, 5000)
    await shard.write(increment())
    await passTime()
    const [before, after] = await during(() => shard.write(increment()))
    expect(await due()).toSatisfy((time) => time >= before + debounce && time <= after + debounce + debounce / 8)
  }
})

test('most writes to a record that is written all the time leave its due time as it is', async () => {
  setPolicy(DEBOUNCE)
  const times = new Set<number>()
  const [before, after] = await during(async () => {
    for (let n = 0; n < 50; n++) {
      await shard.write(increment())
      times.add(await due())
    }
  })
  expect(times.size).toBeLessThanOrEqual(2 + (after - before) / SLACK)
})

test.each([
  ['packed', increment],
  ['a hash', bound],
])('when the clock is put back, a change that is %s counts from its next write', async (_, operation) => {
  setPolicy(DEBOUNCE, DEBOUNCE)
  await shard.write(operation())
  const later = (await shard.store.now()) + 1_000_000
  await shard.putBack('a', later, later + DEBOUNCE)
  const [before, after] = await during(() => shard.write(operation()))
  for (let n = 0; n < 3; n++) {
    expect(await due()).toSatisfy((time) => time >= before + DEBOUNCE && time <= after + DEBOUNCE)
    await passTime()
    await shard.write(operation())
  }
})

test('a barrier takes what was written before the clock was put back', async () => {
  setPolicy(DEBOUNCE)
  await shard.write(increment())
  const now = await shard.store.now()
  await shard.putBack('a', now + 1_000_000, now + 1_000_000 + DEBOUNCE)
  expect(await shard.store.claim(shard.prefix, 'id', { records: 10, bytes: 1000 }, { before: now }, DEBOUNCE)).toMatchObject({
    batch: { size: 1 },
  })
})

test('a write takes over the due time of a debounce that was shortened', async () => {
  setPolicy(DEBOUNCE)
  await shard.write(increment())
  setPolicy(400)
  const [before, after] = await during(() => shard.write(increment()))
  expect(await due()).toSatisfy((time) => time >= before + 400 && time <= after + 450)
})

describe('a record that is put off by later writes', () => {
  const other = (name: string) => compiler.increment({ name }, { value: 1 })

  /** Writes records, and again when they would be due later; between the two times they are due by the index alone. */
  async function putOff(names: readonly string[]): Promise<{ before: number; after: number }> {
    setPolicy(400)
    await shard.write(...names.map(other))
    setPolicy(DEBOUNCE)
    await shard.write(...names.map(other))
    const now = await shard.store.now()
    return { before: now + 400, after: now + DEBOUNCE + SLACK }
  }

  test('stays where it is in the index, and a claim that comes for it moves it', async () => {
    const { before, after } = await putOff(['a'])
    expect(await indexed()).toBeLessThanOrEqual(before)
    const wait = expect.toSatisfy((ms) => ms > DEBOUNCE / 2)
    expect(await claimDue(before)).toEqual({ batch: undefined, wait, putOff: 1, isMore: false })
    expect(await indexed()).toBe(await due())
    expect(await claimDue(after)).toMatchObject({ batch: { size: 1 } })
  })

  test('lets those behind it pass, up to five times as many as a batch has', async () => {
    await putOff([...'abcdefghijklm'])
    setPolicy(1000)
    await shard.write(other('n'), other('o'))
    const limit = (await shard.store.now()) + 1000
    expect(await claimDue(limit, 2)).toMatchObject({ batch: undefined, putOff: 10, isMore: true })
    const reply = await claimDue(limit, 2)
    expect(reply).toMatchObject({ batch: { size: 2 } })
    expect(String(reply.batch?.packed.keys)).toMatch(/n.*o/)
    expect(await Promise.all([...'abcdefghijklm'].map(indexed))).toSatisfy((times: number[]) => times.every((time) => time > limit))
  })

  test('lets a parked one pass that is due again, which comes alone', async () => {
    await shard.write(other('p'))
    await shard.park('p')
    await putOff(['a'])
    setPolicy(500)
    await shard.write(other('p'))
    setPolicy(1000)
    await shard.write(other('q'))
    const reply = await claimDue((await shard.store.now()) + 1000)
    expect(reply).toMatchObject({ batch: { size: 1 } })
    expect(String(reply.batch?.packed.keys)).toContain('p')
  })
})
