import { setTimeout as sleep } from 'node:timers/promises'
import type { Change } from './change.js'
import type { Sender } from './sender.js'

/** Sends changes until the input or the signal ends. @param rate changes a second; undefined means as fast as they are acknowledged */
export async function replay(changes: AsyncIterable<Change>, sender: Sender, rate: number | undefined, signal: AbortSignal): Promise<void> {
  const interval = rate === undefined ? 0 : 1000 / rate
  const started = performance.now()
  let sent = 0
  signal.addEventListener('abort', () => sender.wake(), { once: true })
  for await (const change of changes) {
    const early = started + sent * interval - performance.now()
    if (early >= 1) await sleep(early, undefined, { signal }).catch(() => {})
    if (!signal.aborted) await sender.slot()
    if (signal.aborted) return
    sender.send(change)
    sent++
  }
}
