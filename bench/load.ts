/** Makes calls, draws keys, and sums up figures. */

/** Makes `count` calls with `inFlight` of them under way at a time. Resolves to the calls per second. */
export async function throughput(count: number, inFlight: number, call: (n: number) => Promise<unknown>): Promise<number> {
  let next = 0
  const lane = async () => {
    while (next < count) await call(next++)
  }
  const started = performance.now()
  await Promise.all(Array.from({ length: Math.min(inFlight, count) }, lane))
  return count / ((performance.now() - started) / 1000)
}

/**
 * Starts calls at a steady rate, whether or not earlier calls have ended. Resolves to their latencies in ms. A latency counts from the planned
 * start, so that a contender that keeps the process busy pays for it.
 */
export function latencies(rate: number, count: number, call: (n: number) => Promise<unknown>): Promise<Float64Array> {
  // This makes no promise in each turn and keeps none. Promises would cause pauses of the garbage collector, and the bench would measure those.
  const measured = new Float64Array(count)
  const started = performance.now()
  return new Promise((resolve, reject) => {
    let [next, ended] = [0, 0]
    const start = (n: number) => {
      const planned = started + (n / rate) * 1000
      call(n).then(() => {
        measured[n] = performance.now() - planned
        if (++ended === count) resolve(measured)
      }, reject)
    }
    const turn = () => {
      const due = Math.min(count, ((performance.now() - started) / 1000) * rate)
      while (next < due) start(next++)
      if (next < count) setImmediate(turn)
    }
    turn()
  })
}

/** Draws numbers from 0 to `keys` − 1 by Zipf's law, the same ones each time. */
export function zipf(keys: number, exponent: number, draws: number): Uint32Array {
  const cumulative = new Float64Array(keys)
  let total = 0
  for (let key = 0; key < keys; key++) {
    total += 1 / (key + 1) ** exponent
    cumulative[key] = total
  }
  const random = generator(42)
  return Uint32Array.from({ length: draws }, () => search(cumulative, random() * total))
}

/** Makes numbers between 0 and 1 by Park and Miller's generator. */
export function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 48271) % 2147483647
    return state / 2147483647
  }
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}

export function percentile(values: Iterable<number>, share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

function search(cumulative: Float64Array, value: number): number {
  let low = 0
  let high = cumulative.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if ((cumulative[middle] as number) < value) low = middle + 1
    else high = middle
  }
  return low
}
