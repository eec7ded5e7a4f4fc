import type { DemoCache } from './cache.js'

/** One write of the input: amounts to add to a record's fields, and new values for other fields. */
export type Change =
  | {
      readonly model: 'pageView'
      readonly key: { readonly path: string }
      readonly add: { readonly views: number; readonly bytes: number }
      readonly set: { readonly lastStatus: number; readonly lastSeen: Date } | undefined
    }
  | {
      readonly model: 'reading'
      readonly key: { readonly device: string; readonly metric: string }
      readonly add: { readonly samples: number }
      readonly set: { readonly value: number; readonly at: Date }
    }
  | {
      readonly model: 'player'
      readonly key: { readonly id: string }
      readonly add: { readonly score: number }
      readonly set: { readonly name: string }
    }
  | {
      readonly model: 'counter'
      readonly key: { readonly name: string }
      readonly add: { readonly value: number }
      readonly set: undefined
    }

/** Resolves when the cache has acknowledged the change. */
export function write(cache: DemoCache, change: Change): Promise<void> {
  switch (change.model) {
    case 'pageView': {
      const { key, add, set } = change
      if (set === undefined) return cache.pageView.increment(key, add)
      const update = { views: { increment: add.views }, bytes: { increment: add.bytes }, ...set }
      return cache.pageView.upsert({ where: key, create: { ...add, ...set }, update })
    }
    case 'reading': {
      const { key, add, set } = change
      const update = { samples: { increment: add.samples }, ...set }
      return cache.reading.upsert({ where: { device_metric: key }, create: { ...add, ...set }, update })
    }
    case 'player': {
      const { key, add, set } = change
      return cache.player.upsert({ where: key, create: { ...add, ...set }, update: { score: { increment: add.score }, ...set } })
    }
    case 'counter':
      return cache.counter.increment(change.key, change.add)
  }
}
